/** Uses whose answer takes long, by the action or by its caller: told in time, as of when they were. */
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import { createVerifier, protect, type TokenUse } from '../../src/resource-server/index.ts';
import { NOTHING_REVOKED } from './local-feed.ts';
import { AUDIENCE, startIssuer } from './local-issuer.ts';

const local = await startIssuer();
const verifier = createVerifier({ issuer: local.issuer, audience: AUDIENCE, revocations: NOTHING_REVOKED });
const uses: TokenUse[] = [];
const door = protect({
  verifier,
  scope: 'articles.read',
  uses: { report: (use) => void uses.push(use), flush: async () => {}, stop: async () => {} },
});
let ran: (() => void) | undefined;
const server = createServer((request, response) => {
  // Open to everybody, and never answered.
  if (request.url === '/stream') return;
  door(request, response, () => {
    if (request.url === '/quick') response.end('done');
    ran?.();
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await local.close();
});
beforeEach(() => {
  uses.length = 0;
});

const send = async (paths: readonly string[]): Promise<void> => {
  const authorization = `Authorization: Bearer ${await local.sign()}`;
  const running = new Promise<void>((resolve) => {
    ran = resolve;
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (const path of paths) socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`);
  await running;
};

it.each([
  ['is queued behind one that its caller keeps waiting', ['/stream', '/quick'], 200],
  ['is not there yet', ['/slow'], 102],
])('an answer that %s hides no use, and does not date it', async (_what, paths, status) => {
  await send(paths);
  const at = new Date();
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  expect(uses).toEqual([{ tokenId: expect.any(String), outcome: 'allowed', status, at }]);
  server.closeAllConnections();
});

it('an answer that is taken at once is told once, by its own status', async () => {
  await send(['/quick']);
  await vi.waitFor(() => expect(uses).toHaveLength(1));
  server.closeAllConnections();
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  expect(uses).toMatchObject([{ outcome: 'allowed', status: 200 }]);
});
