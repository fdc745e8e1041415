import { expect, it } from 'vitest';
import { missingStepUp, type SignedIn } from '../../src/access/step-up.ts';

const NOW = new Date('2026-01-31T12:00:00Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

const signedIn = (changes: Partial<SignedIn> = {}): SignedIn => ({
  signedInAt: NOW,
  authenticatedAt: NOW,
  authenticationContexts: [],
  ...changes,
});
const asks = (signInSeconds = 3600, authenticationContexts: readonly string[] = []) => ({
  signInSeconds,
  authenticationContexts,
});

it.each([
  [
    'a rule that asks for nothing, even if Entra does not say when',
    signedIn({ authenticatedAt: null }),
    [asks()],
    null,
  ],
  ['a proof as old as is allowed', signedIn({ authenticatedAt: ago(300) }), [asks(300)], null],
  [
    'an older one',
    signedIn({ authenticatedAt: ago(301) }),
    [asks(300)],
    { maxAgeSeconds: 300, context: null },
  ],
  [
    'the stricter of two rules',
    signedIn({ authenticatedAt: ago(200) }),
    [asks(300), asks(60)],
    { maxAgeSeconds: 60, context: null },
  ],
  [
    'one that Entra does not date',
    signedIn({ authenticatedAt: null }),
    [asks(300)],
    { maxAgeSeconds: 300, context: null },
  ],
  [
    'one that is no time',
    signedIn({ authenticatedAt: new Date(Number.NaN) }),
    [asks(300)],
    { maxAgeSeconds: 300, context: null },
  ],
  ['the context asked for', signedIn({ authenticationContexts: ['c1'] }), [asks(3600, ['c1'])], null],
  [
    'another context',
    signedIn({ authenticationContexts: ['c11'] }),
    [asks(3600, ['c1'])],
    { maxAgeSeconds: null, context: 'c1' },
  ],
  [
    'one of two contexts',
    signedIn({ authenticationContexts: ['c1'] }),
    [asks(3600, ['c1']), asks(3600, ['c2'])],
    { maxAgeSeconds: null, context: 'c2' },
  ],
  [
    'the context alone, of a proof as fresh as is asked',
    signedIn({ authenticatedAt: ago(300) }),
    [asks(300, ['c1'])],
    { maxAgeSeconds: null, context: 'c1' },
  ],
])('%s', (_name, person, demands, missing) => {
  expect(missingStepUp(person, demands, NOW)).toEqual(missing);
});
