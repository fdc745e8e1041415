/** An API as a process of its own, behind the published middleware. Started as a program it prints its address. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createVerifier, protect } from '../../src/resource-server/index.ts';

export type ApiProcess = {
  /** The status that the API answers to this token. */
  readonly call: (accessToken: string) => Promise<number>;
  readonly stop: () => Promise<void>;
};

/** Every second counts in a test: the shortest budget there is. */
const STALE_SECONDS = 3;

const serve = (issuer: string, audience: string, scope: string): void => {
  const verifier = createVerifier({ issuer, audience, staleRevocationsSeconds: STALE_SECONDS });
  const admit = protect({ verifier, scope });
  const server = createServer((request, response) => admit(request, response, () => response.end()));
  server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
};

export const startApiProcess = async (
  issuer: string,
  audience: string,
  scope: string,
): Promise<ApiProcess> => {
  const program = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [program, issuer, audience, scope], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = await once(createInterface({ input: child.stdout }), 'line');
  return {
    call: async (accessToken) => {
      const headers = { authorization: `Bearer ${accessToken}` };
      const answer = await fetch(`http://127.0.0.1:${port}`, { headers });
      await answer.body?.cancel();
      return answer.status;
    },
    stop: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [issuer = '', audience = '', scope = ''] = process.argv.slice(2);
  serve(issuer, audience, scope);
}
