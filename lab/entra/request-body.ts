/** Reads what was posted. Large enough for the oversized tokens that tests have signed here, and no larger. */
import type { IncomingMessage } from 'node:http';

const MAX_BODY_BYTES = 4 * 1024 * 1024;

const readText = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('the request was already being read as text');
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new RangeError(`the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Reads a form; a parameter that came twice has its first value. */
export const readForm = async (request: IncomingMessage): Promise<URLSearchParams> =>
  new URLSearchParams(await readText(request));

/** Reads JSON of any shape. @throws SyntaxError when it is none */
export const readJson = async (request: IncomingMessage): Promise<unknown> =>
  JSON.parse(await readText(request));
