/** Tokens while their keys change, as agents and APIs meet it. */
import { readFile } from 'node:fs/promises';
import { decodeProtectedHeader } from 'jose';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { keys } from '../../src/commands/keys.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { parseRegistry } from '../../src/registry/registry-file.ts';
import { createVerifier } from '../../src/resource-server/index.ts';
import { NOTHING_REVOKED } from '../resource-server/local-feed.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld({ brokers: 2 });
});
afterAll(() => world.stop());

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

const run = async (...args: string[]): Promise<string> => {
  let printed = '';
  const write = (text: string): void => {
    printed += text;
  };
  expect(
    await keys.run(args, {
      environment: world.settings,
      write,
      writeError: write,
      logger: pino({ enabled: false }),
    }),
  ).toBe(0);
  return printed;
};

const kidOf = (token: string): string => decodeProtectedHeader(token).kid ?? '';

/** Has a key made with `--now`, waits until it is published, and lets the time pass in its row until it signs. */
const replaceAtOnce = async (): Promise<string> => {
  const { kid } = JSON.parse(await run('rotate', '--now', '--reason', 'a drill', '--json'));
  let published: { kid: string }[] = [];
  while (!published.some((key) => key.kid === kid)) published = (await world.get('/jwks')).body.keys;
  const client = new pg.Client({ connectionString: world.ownerDsn });
  await client.connect();
  await client.query('update signing_keys set active_from = now() where kid = $1', [kid]);
  await client.end();
  return kid;
};

describe('a key that is replaced at once', () => {
  it('fails no verification at an API that keeps the JWKS, and takes over on every replica', async () => {
    let passed = 0;
    const verifier = createVerifier({
      issuer: world.issuer,
      audience: READ.audience,
      now: () => Date.now() + passed,
      revocations: NOTHING_REVOKED,
    });
    const subject_token = await world.assertion('support-agent');
    const seen: string[] = [];
    const use = async (round: number): Promise<void> => {
      const { port } = world.brokers[round % 2] ?? { port: 0 };
      const parameters = { ...READ, subject_token, request_id: `round-${round}` };
      const { status, body } = await world.exchange(parameters, { port });
      expect(status).toBe(200);
      const checked = await verifier.verify(`Bearer ${body.access_token}`, { scope: READ.scope });
      expect(checked).toHaveProperty('token');
      seen.push(kidOf(body.access_token));
    };
    for (let round = 0; round < 4; round += 1) await use(round);
    const kid = await replaceAtOnce();
    passed = 35_000;
    for (let round = 4; seen.slice(-2).some((used) => used !== kid); round += 1) await use(round);
    expect(new Set(seen).size).toBe(2);
    const listed: { kid: string; state: string }[] = JSON.parse(await run('list', '--json')).items;
    expect(listed.map(({ state }) => state)).toEqual(['retiring', 'active']);
    expect(listed[1]?.kid).toBe(kid);
    await checkPromises(world.database);
  });

  it('still signs the token that it signed before, when that is rendered again', async () => {
    const subject_token = await world.assertion('support-agent');
    const parameters = { ...READ, subject_token, request_id: 'again' };
    const first = (await world.exchange(parameters)).body.access_token;
    const kid = await replaceAtOnce();
    let fresh = '';
    for (let round = 0; fresh !== kid; round += 1) {
      const other = await world.exchange({ ...READ, subject_token, request_id: `other-${round}` });
      fresh = kidOf(other.body.access_token);
    }
    const again = (await world.exchange(parameters)).body.access_token;
    expect(kidOf(again)).toBe(kidOf(first));
    expect(again.split('.')[1]).toBe(first.split('.')[1]);
  });
});

describe('the next key', () => {
  it('is published at once, waits for its hour, and is not made twice', async () => {
    const before: string = (await world.get('/jwks')).headers.get('etag') ?? '';
    const made = JSON.parse(await run('rotate', '--reason', 'a plan', '--json'));
    expect(made.made).toBe(true);
    expect(new Date(made.active_from).getTime() - Date.now()).toBeGreaterThan(3_500_000);
    expect(JSON.parse(await run('rotate', '--reason', 'a plan', '--json'))).toEqual({ ...made, made: false });
    let published: { kid: string }[] = [];
    while (!published.some(({ kid }) => kid === made.kid)) published = (await world.get('/jwks')).body.keys;
    expect((await world.get('/jwks')).headers.get('etag')).not.toBe(before);
    const { body } = await world.exchange({
      ...READ,
      subject_token: await world.assertion('support-agent'),
      request_id: 'not-yet',
    });
    expect(kidOf(body.access_token)).not.toBe(made.kid);
  });
});

describe('an API that verifies RS256 alone', () => {
  it('gets tokens that are signed so, and other APIs theirs as before', async () => {
    const [file = ''] = (world.settings.COUNTERSIGN_REGISTRY ?? '').split(',');
    const registry = parse(await readFile(file, 'utf8'));
    for (const resource of registry.resources)
      if (resource.audience === 'api://knowledge.dev') resource.token_signing_alg = 'RS256';
    const document = parseRegistry([{ name: 'registry.yaml', text: stringify(registry) }]);
    await applyRegistry(world.database, document, { reason: 'an old gateway', appliedBy: 'test' });
    const subject_token = await world.assertion('support-agent');
    const audience = 'api://knowledge.dev';
    let answer = await world.exchange({ ...READ, audience, subject_token });
    while (answer.status === 503) answer = await world.exchange({ ...READ, audience, subject_token });
    expect(answer.status).toBe(200);
    const token = answer.body.access_token;
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'RS256', typ: 'at+jwt' });
    const check = (algorithms: ('ES256' | 'RS256')[]) =>
      createVerifier({ issuer: world.issuer, audience, algorithms }).verify(`Bearer ${token}`, {
        scope: READ.scope,
      });
    expect(await check(['RS256'])).toHaveProperty('token');
    expect(await check(['ES256'])).toHaveProperty('refusal');
    const other = await world.exchange({ ...READ, subject_token, request_id: 'es256' });
    expect(decodeProtectedHeader(other.body.access_token).alg).toBe('ES256');
  });
});

describe('the command', () => {
  it.each([
    ['without an action', []],
    ['with another action', ['remove']],
    ['without a reason', ['rotate']],
    ['with an algorithm that signs no tokens', ['rotate', '--reason', 'why', '--alg', 'HS256']],
  ])('is refused %s, and says how it is used', async (_, args) => {
    await expect(run(...args)).rejects.toThrow(/say list, rotate|--reason is missing|--alg must be/);
  });

  it('refuses to make a key with another encryption key than the one in use', async () => {
    const COUNTERSIGN_KEY_ENCRYPTION_KEY = Buffer.alloc(32, 1).toString('base64');
    const io = { write: () => undefined, writeError: () => undefined, logger: pino({ enabled: false }) };
    const environment = { ...world.settings, COUNTERSIGN_KEY_ENCRYPTION_KEY };
    await expect(keys.run(['rotate', '--reason', 'why'], { ...io, environment })).rejects.toThrow(
      'COUNTERSIGN_KEY_ENCRYPTION_KEY',
    );
  });
});
