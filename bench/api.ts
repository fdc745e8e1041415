/**
 * One API behind the published middleware, for the time from a revoke to a refusal. A process of its own; takes issuer
 * and audience as arguments, prints its port as one line of JSON when it listens.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVerifier, protect } from '../src/resource-server/index.ts';
import { FIRST_SCOPE } from './estate.ts';

const [issuer = '', audience = ''] = process.argv.slice(2);
const admit = protect({ verifier: createVerifier({ issuer, audience }), scope: FIRST_SCOPE });

const server = createServer((request, response) => {
  admit(request, response, (error) => response.writeHead(error === undefined ? 200 : 500).end());
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
