/** What the lab's small servers share: a Koa application on a loopback port, JSON in, and an orderly end. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type Koa from 'koa';

export type WebServer = { readonly url: string; readonly close: () => Promise<void> };

const LOOPBACK_HOST = /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/;
const LOOPBACK_ORIGIN = /^https?:\/\/(?:127\.0\.0\.1|localhost)(?::\d+)?$/;
const MAX_BODY_BYTES = 64 * 1024;

/** A page of another site may send forms to any address; it must not run errands here. */
const isOfAnotherSite = ({ method, headers }: IncomingMessage): boolean =>
  method !== 'GET' && headers.origin !== undefined && !LOOPBACK_ORIGIN.test(headers.origin);

/** Serves `app` on a loopback port (0: any). Rejects when the port is taken. */
export const serve = async (app: Koa, port: number): Promise<WebServer> => {
  // Koa would print to the terminal what the answer already says.
  app.silent = true;
  const answer = app.callback();
  const server = createServer((request, response) => {
    // A page of another site that gave its own name this address could read the lab's passwords (DNS rebinding).
    if (!LOOPBACK_HOST.test(request.headers.host ?? '')) response.writeHead(421).end();
    else if (isOfAnotherSite(request)) response.writeHead(403).end();
    else answer(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
};

/** A request body that is not what was expected; answer it with 400. */
export class BodyInvalid extends Error {
  override name = 'BodyInvalid';
}

/** Reads a whole request body as text. @throws BodyInvalid when it is too large */
export const readText = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new BodyInvalid(`the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Reads a JSON body; an empty one is an empty object. @throws BodyInvalid when it is not JSON */
export const readJson = async (request: IncomingMessage): Promise<unknown> => {
  const text = await readText(request);
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BodyInvalid('the body is not JSON', { cause });
  }
};
