/** The feed as an API follows it, under attack: what cannot be believed changes nothing, and in the end nothing passes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  followRevocations,
  type Revocations,
  type RevocationsOptions,
} from '../../src/resource-server/index.ts';
import { outcome, seconds } from './followed.ts';
import { createSigningKey, json, type LocalIssuer, startIssuer } from './local-issuer.ts';

let local: LocalIssuer;
let passed: number;
let followed: Revocations[];
let problem: Promise<unknown>;

beforeEach(async () => {
  local = await startIssuer();
  passed = 0;
  followed = [];
});
afterEach(async () => {
  vi.useRealTimers();
  for (const revocations of followed) revocations.close();
  await local.close();
});

const follow = (options: Partial<RevocationsOptions> = {}): Revocations => {
  const told = Promise.withResolvers<unknown>();
  problem = told.promise;
  const revocations = followRevocations({
    issuer: local.issuer,
    now: () => Date.now() + passed,
    monotonic: () => performance.now() + passed,
    onProblem: (_text, cause) => told.resolve(cause),
    ...options,
  });
  followed.push(revocations);
  return revocations;
};
const polls = (): number => local.history.filter((line) => line.startsWith('GET /revocations')).length;
/** When so many polls more have come: all answers but the last are taken by then. */
const morePolls = (count: number): Promise<void> =>
  vi.waitUntil(() => polls() >= count, { timeout: 20_000, interval: 5 }).then(() => {});
const answerWith =
  (jws: Promise<string> | string) => async (_request: IncomingMessage, response: ServerResponse) =>
    void response.end(await jws);

describe('a revocation', () => {
  it('reaches every follower of the feed with the answer that each is waiting for', async () => {
    const apis = [follow(), follow(), follow()];
    await Promise.all(apis.map(({ opened }) => opened));
    expect(apis.map((api) => outcome(api))).toEqual(['allowed', 'allowed', 'allowed']);
    await morePolls(6);
    local.feed.tell({ revoked: [{ jti: 'tok', exp: seconds() + 45 }] });
    await vi.waitUntil(() => apis.every((api) => outcome(api) === 'revoked'));
    expect(apis.map((api) => outcome(api, 'other'))).toEqual(['allowed', 'allowed', 'allowed']);
  });

  it('is known to a follower that starts afterwards from its first answer on', async () => {
    local.feed.tell({ not_before: { agents: { 'support-agent': seconds() + 1 } } });
    const api = follow();
    await api.opened;
    expect(outcome(api)).toBe('revoked');
  });
});

describe('an answer that cannot be believed', () => {
  const foreign = createSigningKey();
  const cases: readonly [string, () => Parameters<LocalIssuer['answer']>[1]][] = [
    ['of another issuer', () => answerWith(local.feed.sign({ iss: 'https://attacker.example' }))],
    ['signed by a foreign key', () => answerWith(foreign.then((key) => local.feed.sign({}, { key })))],
    [
      'signed by a foreign key under the name of a known one',
      () => answerWith(foreign.then((key) => local.feed.sign({}, { key: { ...key, kid: local.key.kid } }))),
    ],
    ['that is an access token', () => answerWith(local.sign())],
    [
      'with the type of an access token',
      () => answerWith(local.feed.sign({}, { header: { typ: 'at+jwt' } })),
    ],
    ['without a type', () => answerWith(local.feed.sign({}, { header: { typ: undefined } }))],
    [
      'without a signature',
      () =>
        answerWith(
          local.feed.sign().then((jws) => {
            const header = Buffer.from('{"alg":"none","typ":"revocations+jwt"}').toString('base64url');
            return `${header}.${jws.split('.')[1]}.`;
          }),
        ),
    ],
    ['from the future', () => answerWith(local.feed.sign({ iat: seconds() + 60 }))],
    ['of yesterday', () => answerWith(local.feed.sign({ iat: seconds() - 86_400 }))],
    ['without a time', () => answerWith(local.feed.sign({ iat: undefined }))],
    ['made for another reader', () => answerWith(local.feed.sign({ complete: false, after: 'c7' }))],
    ['without a list', () => answerWith(local.feed.sign({ revoked: undefined }))],
    ['without end', () => answerWith(local.feed.sign({ padding: 'x'.repeat(4 * 1024 * 1024) }))],
    ['that is empty', () => answerWith('')],
    ['that is a page', () => answerWith('<html>')],
    ['that is an error', () => json(500, {})],
    [
      'from elsewhere',
      () => {
        local.answer('/elsewhere', answerWith(local.feed.sign()));
        return (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end();
      },
    ],
    ['that breaks off', () => (_request, response) => response.destroy()],
  ];

  it.each(cases)('opens nothing when it comes first: %s', async (_name, answer) => {
    local.answer('/revocations', answer());
    const api = follow();
    await api.opened;
    expect(outcome(api)).toBe('unavailable');
    expect(local.history).not.toContain('GET /elsewhere');
  });

  it.each(cases)(
    'changes nothing when it comes later, and nothing passes after the budget: %s',
    async (_name, answer) => {
      local.feed.tell({ revoked: [{ jti: 'bad', exp: seconds() + 300 }] });
      const api = follow();
      await api.opened;
      const bad = answer();
      local.answer('/revocations', bad);
      local.feed.tell({});
      await problem;
      expect([outcome(api), outcome(api, 'bad')]).toEqual(['allowed', 'revoked']);
      passed = 21_000;
      expect([outcome(api), outcome(api, 'bad')]).toEqual(['unavailable', 'unavailable']);
    },
  );

  it('is believed no more once the key that signed it is withdrawn', async () => {
    const next = await createSigningKey();
    local.publish([next.jwk]);
    const api = follow();
    await api.opened;
    expect(outcome(api)).toBe('unavailable');
  });

  it('is believed no more from the answer on that tells of the key that signs it, whatever the JWKS says', async () => {
    const api = follow();
    await api.opened;
    local.feed.tell({ not_before: { keys: { [local.key.kid]: seconds() + 3_600 } } });
    expect(await problem).toMatchObject({ message: 'the answer was signed with a key that is withdrawn' });
    passed = 21_000;
    expect(outcome(api)).toBe('unavailable');
  });

  it('is not signed with the other algorithm that APIs may take tokens by', async () => {
    const rsa = await createSigningKey('RS256');
    local.publish([local.key.jwk, rsa.jwk]);
    local.answer('/revocations', answerWith(local.feed.sign({}, { key: rsa })));
    const api = follow();
    await api.opened;
    expect(outcome(api)).toBe('unavailable');
  });
});

describe('somebody in the middle', () => {
  it('who repeats an old answer for ever keeps calls going for the budget, not longer', async () => {
    const api = follow();
    await api.opened;
    local.answer('/revocations', answerWith(local.feed.sign()));
    local.feed.tell({ revoked: [{ jti: 'tok', exp: seconds() + 300 }] });
    await morePolls(polls() + 1);
    passed = 21_000;
    await morePolls(polls() + 2);
    expect(outcome(api)).toBe('unavailable');
  });

  it('who hands on a later piece of the feed only does not hide an earlier one', async () => {
    const api = follow();
    await api.opened;
    const later = local.feed.sign({ complete: false, after: 'c1', cursor: 'c2' });
    local.answer('/revocations', answerWith(later));
    local.feed.tell({ revoked: [{ jti: 'tok', exp: seconds() + 300 }] });
    expect(await problem).toMatchObject({ message: expect.stringContaining('another place') });
    local.answer('/revocations', local.feed.serve);
    await vi.waitUntil(() => outcome(api) === 'revoked', { timeout: 10_000 });
  });

  it('who leads it round in circles brings nothing back', async () => {
    local.feed.tell({ revoked: [{ jti: 'tok', exp: seconds() + 300 }] });
    const api = follow();
    await api.opened;
    let turn = 0;
    local.answer('/revocations', (request, response) => {
      turn += 1;
      answerWith(local.feed.sign({ cursor: `c${turn % 2}` }))(request, response);
    });
    local.feed.tell({});
    await vi.waitUntil(() => turn > 5, { timeout: 10_000 });
    expect([outcome(api), outcome(api, 'other')]).toEqual(['revoked', 'allowed']);
  });

  it('who lets it wait without end is left after the time that was asked for', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asked = Promise.withResolvers<void>();
    local.answer('/revocations', (_request, response) => {
      response.writeHead(200).write('eyJ');
      asked.resolve();
    });
    const api = follow();
    await asked.promise;
    await vi.advanceTimersByTimeAsync(3_000);
    await problem;
    expect(outcome(api)).toBe('unavailable');
  });
});
