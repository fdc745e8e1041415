/** Callers that break off: what they asked for is done and told, or neither. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { createVerifier, type Protection, protect, type TokenUse } from '../../src/resource-server/index.ts';
import { NOTHING_REVOKED } from './local-feed.ts';
import { AUDIENCE, startIssuer } from './local-issuer.ts';

/** An API that tells its uses, and a caller with a good token who goes away when it is told to. */
const startApi = async (
  protection: Pick<Protection, 'verifier'>,
  action: () => void,
  onClose: () => void,
) => {
  const uses: TokenUse[] = [];
  const told = Promise.withResolvers<void>();
  const report = (use: TokenUse): void => {
    uses.push(use);
    told.resolve();
  };
  const door = protect({
    ...protection,
    scope: 'articles.read',
    uses: { report, flush: async () => {}, stop: async () => {} },
  });
  const server = createServer((request, response) => {
    response.once('close', onClose);
    door(request, response, action);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const caller = new AbortController();
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    uses,
    told: told.promise,
    call: async (token: string): Promise<void> => {
      const headers = { authorization: `Bearer ${token}` };
      await fetch(address, { headers, signal: caller.signal }).catch(() => undefined);
    },
    goAway: () => caller.abort(),
    stop: () => server.close(),
  };
};

const local = await startIssuer();
afterAll(() => local.close());
const verifier = createVerifier({ issuer: local.issuer, audience: AUDIENCE, revocations: NOTHING_REVOKED });

it('runs nothing for a caller that is gone before it was let in', async () => {
  const gone = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const judged = Promise.withResolvers<void>();
  const verify: Protection['verifier']['verify'] = async (...request) => {
    asked.resolve();
    await gone.promise;
    const verification = await verifier.verify(...request);
    expect(verification).toHaveProperty('token');
    setImmediate(judged.resolve);
    return verification;
  };
  let ran = 0;
  const run = (): void => {
    ran += 1;
  };
  const api = await startApi({ verifier: { ...verifier, verify } }, run, gone.resolve);
  const sent = api.call(await local.sign());
  await asked.promise;
  api.goAway();
  await Promise.all([sent, judged.promise]);
  expect([ran, api.uses]).toEqual([0, []]);
  api.stop();
});

it('tells of one that goes away during the action that it was let in, and not that it was answered', async () => {
  const running = Promise.withResolvers<void>();
  const api = await startApi({ verifier }, running.resolve, () => undefined);
  const sent = api.call(await local.sign());
  await running.promise;
  api.goAway();
  await Promise.all([sent, api.told]);
  expect(api.uses).toMatchObject([{ tokenId: expect.any(String), outcome: 'allowed', status: 499 }]);
  api.stop();
});
