/** Callers that break off: what they asked for is done and told, or neither. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createVerifier, type Protection, protect, type TokenUse } from '../../src/resource-server/index.ts';
import { NOTHING_REVOKED } from './local-feed.ts';
import { AUDIENCE, startIssuer } from './local-issuer.ts';

it('runs nothing for a caller that is gone before it was let in', async () => {
  const local = await startIssuer();
  const gone = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const judged = Promise.withResolvers<void>();
  const verifier = createVerifier({ issuer: local.issuer, audience: AUDIENCE, revocations: NOTHING_REVOKED });
  const verify: Protection['verifier']['verify'] = async (...request) => {
    asked.resolve();
    await gone.promise;
    const verification = await verifier.verify(...request);
    expect(verification).toHaveProperty('token');
    setImmediate(judged.resolve);
    return verification;
  };
  const uses: TokenUse[] = [];
  let ran = 0;
  const door = protect({
    verifier: { ...verifier, verify },
    scope: 'articles.read',
    uses: { report: (use) => void uses.push(use), flush: async () => {}, stop: async () => {} },
  });
  const server = createServer((request, response) => {
    response.once('close', gone.resolve);
    door(request, response, () => {
      ran += 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const caller = new AbortController();
  const headers = { authorization: `Bearer ${await local.sign()}` };
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const sent = fetch(address, { headers, signal: caller.signal }).catch(() => undefined);
  await asked.promise;
  caller.abort();
  await Promise.all([sent, judged.promise]);
  expect([ran, uses]).toEqual([0, []]);
  server.close();
  await local.close();
});
