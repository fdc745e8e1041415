/** Requests to the token endpoint changed at random, the same ones at each run, on the wire. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

const SEED = 20_260_302;
const RUNS = 3_000;

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

/** What is cut out at a share of the text, and what is put there. */
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  cut: fc.nat({ max: 3 }),
  put: fc.oneof(
    fc.constantFrom(
      '',
      '&',
      '=',
      '%',
      '%00',
      '%ff',
      '.',
      '+',
      '&&',
      '&scope=x',
      '&subject_token=',
      '\0',
      '\n',
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
    // Keeps the form of an assertion, so that only its signature tells.
    fc.string({ unit: fc.constantFrom('A', 'Q', 'g', 'w', '0', '-', '_'), maxLength: 3 }),
  ),
});
type Change = { readonly at: number; readonly cut: number; readonly put: string };

const changed = (text: string, changes: readonly Change[]): string =>
  changes.reduce((current, { at, cut, put }) => {
    const index = Math.floor(at * current.length);
    return current.slice(0, index) + put + current.slice(index + cut);
  }, text);

const changes = fc.array(change, { minLength: 1, maxLength: 3 });

const formOf = (assertion: string): string =>
  new URLSearchParams({
    grant_type: TOKEN_EXCHANGE,
    subject_token_type: JWT_TYPE,
    subject_token: assertion,
    audience: 'api://knowledge.prod',
    scope: 'articles.read',
  }).toString();

it('never break the token endpoint, and get a token for the whole assertion only', {
  timeout: 120_000,
}, async () => {
  const good = await world.assertion('support-agent');
  expect((await world.post('/token', formOf(good))).status).toBe(200);
  await fc.assert(
    fc.asyncProperty(changes, fc.boolean(), async (made, inAssertion) => {
      const assertion = inAssertion ? changed(good, made) : good;
      const form = inAssertion ? formOf(assertion) : changed(formOf(good), made);
      const { status } = await world.post('/token', form);
      expect(status).toBeLessThan(500);
      if (status === 200) expect(new URLSearchParams(form).getAll('subject_token')).toEqual([good]);
    }),
    { seed: SEED, numRuns: RUNS },
  );
  await checkPromises(world.database);
});
