/** What nobody thought of: 80,000 assertions and 20,000 forms, changed at random, the same ones at each run. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { readForm } from '../../src/http/form.ts';
import { v1Assertion, v2Assertion, verifierOf } from './assertions.ts';

const SEED = 20_260_301;
const ASSERTIONS = 80_000;
const FORMS = 20_000;

/** A small generator (xorshift), so that a failure can be repeated: the round is told with it. */
const generator = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
};

const ALPHABET = 'ABCabc019-_.=+/ \n\0%&{}[]":,éđ\ud800';

type Change = (text: string, random: (below: number) => number) => string;

const CHANGES: readonly Change[] = [
  (text, random) => {
    const at = random(text.length);
    return text.slice(0, at) + ALPHABET.charAt(random(ALPHABET.length)) + text.slice(at + 1);
  },
  (text, random) => {
    const at = random(text.length);
    return text.slice(0, at) + ALPHABET.charAt(random(ALPHABET.length)) + text.slice(at);
  },
  (text, random) => {
    const at = random(text.length);
    return text.slice(0, at) + text.slice(at + 1 + random(40));
  },
  (text, random) => {
    const [from, to] = [random(text.length), random(text.length)];
    return text.slice(0, from) + text.slice(to);
  },
  (text, random) => {
    const parts = text.split('.');
    const [one, other] = [random(parts.length), random(parts.length)];
    [parts[one], parts[other]] = [parts[other] ?? '', parts[one] ?? ''];
    return parts.join('.');
  },
  (text, random) => {
    const parts = text.split('.');
    const index = random(2);
    const decoded = Buffer.from(parts[index] ?? '', 'base64url').toString();
    const at = random(decoded.length);
    const changed =
      decoded.slice(0, at) + ALPHABET.charAt(random(ALPHABET.length)) + decoded.slice(at + random(3));
    parts[index] = Buffer.from(changed).toString('base64url');
    return parts.join('.');
  },
];

const changedAtRandom = (text: string, random: (below: number) => number): string => {
  let changed = text;
  for (let times = 1 + random(3); times > 0; times -= 1)
    changed = CHANGES[random(CHANGES.length)]?.(changed || 'a', random) ?? changed;
  return changed;
};

it('accepts none of 80,000 assertions that were changed at random, and throws at none', {
  timeout: 120_000,
}, async () => {
  const { verify } = await verifierOf();
  const random = generator(SEED);
  const originals = [v2Assertion(), v1Assertion()];
  const accepted: string[] = [];
  for (let round = 0; round < ASSERTIONS; round += 1) {
    const original = originals[round % 2] ?? '';
    const changed = changedAtRandom(original, random);
    if (originals.includes(changed)) continue;
    const result = await verify(changed).catch((error: unknown) => {
      throw new Error(`round ${round} throws`, { cause: error });
    });
    if (!('reason' in result)) accepted.push(`round ${round}: ${changed}`);
  }
  expect(accepted).toEqual([]);
});

const BODY =
  'grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=a.b.c&scope=articles.read+x&audience=api%3A%2F%2Fknowledge.prod&justification=%C3%A9';

const requestOf = (body: Buffer): IncomingMessage => {
  const request = new IncomingMessage(new Socket());
  request.method = 'POST';
  request.url = '/token';
  request.headers = { 'content-type': 'application/x-www-form-urlencoded' };
  request.push(body);
  request.push(null);
  return request;
};

it('reads or refuses each of 20,000 forms, whatever its bytes, and never throws', {
  timeout: 120_000,
}, async () => {
  const random = generator(SEED + 1);
  for (let round = 0; round < FORMS; round += 1) {
    const body = Buffer.from(changedAtRandom(BODY, random), round % 3 === 0 ? 'latin1' : 'utf8');
    const form = await readForm(requestOf(body)).catch((error: unknown) => {
      throw new Error(`round ${round} throws: ${body.toString('latin1')}`, { cause: error });
    });
    if ('error' in form) expect(form).toMatchObject({ status: 400, error: 'invalid_request' });
    else expect(form.get('subject_token') ?? '').not.toContain('\0');
  }
});
