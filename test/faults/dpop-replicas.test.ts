/** The same proof at several brokers at one instant, real processes on one database: it is good once (T75). */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startWorld, type TestWorld } from '../support/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../support/broker-process.ts';
import { checkPromises } from '../support/promises.ts';
import { createProver, type Prover } from '../support/prover.ts';

let world: TestWorld;
let processes: BrokerProcess[];
let key: Prover;

beforeAll(async () => {
  world = await startWorld();
  key = await createProver();
  processes = await Promise.all([startBrokerProcess(world.settings), startBrokerProcess(world.settings)]);
}, 60_000);
afterEach(() => checkPromises(world.database));
afterAll(async () => {
  for (const broker of processes) expect(await broker.stop()).toBe(0);
  await world.stop();
});

const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };
const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };
const TIMES = 20;

/** The i-th of equal exchanges, at one process or the other, with the proof that `proofOf` gives it. */
const askOften = async (
  agent: string,
  parameters: Record<string, string>,
  proofOf: (index: number) => string,
): Promise<Answer[]> => {
  const subject_token = await world.assertion(agent);
  return Promise.all(
    Array.from({ length: TIMES }, (_, index) =>
      world.exchange(
        { ...parameters, subject_token },
        { port: processes[index % 2]?.port ?? 0, headers: { dpop: proofOf(index) } },
      ),
    ),
  );
};
const prove = (): string => key.prove('POST', `${world.issuer}/token`);
const count = (answers: readonly Answer[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const kind = `${status} ${body.error ?? body.token_type}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
};
const jtiOf = ({ body }: Answer): string => JSON.parse(atob(body.access_token.split('.')[1] ?? '')).jti;

describe('the same proof, sent 20 times at once to two broker processes', { timeout: 60_000 }, () => {
  const once = { '200 DPoP': 1, '400 invalid_dpop_proof': TIMES - 1 };

  it('passes once where policy permits', async () => {
    for (let round = 0; round < 5; round += 1) {
      const proof = prove();
      const answers = await askOften('support-agent', { ...READ, request_id: `same-${round}` }, () => proof);
      expect(count(answers)).toEqual(once);
    }
  });

  it('passes once where the credential is fetched again', async () => {
    for (let round = 0; round < 5; round += 1) {
      const proof = prove();
      const answers = await askOften('support-agent', { ...READ, request_id: 'same-0' }, () => proof);
      expect(count(answers)).toEqual(once);
    }
  });

  it('passes once where each names a request of its own', async () => {
    const proof = prove();
    const subject_token = await world.assertion('support-agent');
    const answers = await Promise.all(
      Array.from({ length: TIMES }, (_, index) =>
        world.exchange(
          { ...READ, subject_token, request_id: `own-${index}` },
          { port: processes[index % 2]?.port ?? 0, headers: { dpop: proof } },
        ),
      ),
    );
    expect(count(answers)).toEqual(once);
    const { rows } = await sql`select from request_keys where key like 'i:own-%'`.execute(world.database.db);
    expect(rows).toHaveLength(1);
  });

  it('picks an approval up once', async () => {
    const opening = { ...EXPORT, request_id: 'approved' };
    const [first] = await askOften('reporting-agent', opening, prove);
    expect(await world.vote(first?.body.request_id, 'approve')).toEqual({ outcome: 'approved' });
    const proof = prove();
    expect(count(await askOften('reporting-agent', opening, () => proof))).toEqual(once);
  });

  it('is told that a request waits at most once', async () => {
    const proof = prove();
    const answers = await askOften('reporting-agent', { ...EXPORT, request_id: 'waiting' }, () => proof);
    expect(count(answers)['400 authorization_pending']).toBe(1);
    expect(answers.filter(({ status }) => status === 200)).toEqual([]);
    await world.vote(answers[0]?.body.request_id, 'deny');
  });
});

describe('proofs of one key, a new one each time', { timeout: 60_000 }, () => {
  it('all get the one credential', async () => {
    const answers = await askOften('support-agent', { ...READ, request_id: 'different' }, prove);
    expect(count(answers)).toEqual({ '200 DPoP': TIMES });
    expect(new Set(answers.map(jtiOf)).size).toBe(1);
  });
});
