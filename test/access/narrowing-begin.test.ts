import { describe, expect, it } from 'vitest';
import { isWithin } from '../../src/access/narrowing.ts';
import { type Terms, termsDigest, termsOf } from '../../src/access/request-digest.ts';
import { parseNarrowing } from '../../src/console/narrowing-form.ts';
import { AGENT, AUDIENCE, decisionWith } from '../support/access.ts';

describe('a begin', () => {
  const before = termsOf(
    { agentId: AGENT, audience: AUDIENCE, scopes: ['a.read'], authorizationDetails: [], proofKey: null },
    decisionWith({}),
    { justification: null, requestedSeconds: null },
  );
  const tonight: Terms = { ...before, starts_after_seconds: 3_600 };

  it.each([
    [before, 1, true],
    [before, 86_400, true],
    [before, 86_401, false],
    [before, -1, false],
    [before, 0.5, false],
    [tonight, 3_599, false],
    [tonight, 3_600, true],
    [tonight, 7_200, true],
  ])('may be put off for a day, and never be brought forward: %#', (terms, seconds, isLess) => {
    expect(isWithin({ ...terms, starts_after_seconds: seconds }, terms, () => false)).toBe(isLess);
  });

  it('that was put off is not taken away, and is part of what is signed', () => {
    const { starts_after_seconds: _, ...atOnce } = tonight;
    expect(isWithin(atOnce, tonight, () => false)).toBe(false);
    expect(termsDigest(tonight)).not.toBe(termsDigest(before));
  });

  it.each([
    ['', null],
    ['0', null],
    ['900', 900],
    ['86401', 'refused'],
    ['-1', 'refused'],
    ['soon', 'refused'],
  ])('is read from the form: %j', (text, seconds) => {
    const parsed = parseNarrowing(`narrow=1&keep=a.read&starts_after_seconds=${text}`, before, () => false);
    const read =
      parsed === null ? null : 'problem' in parsed ? 'refused' : parsed.narrowing.startsAfterSeconds;
    expect(read).toBe(seconds);
  });
});
