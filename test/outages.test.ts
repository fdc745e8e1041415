import { expect, it } from 'vitest';
import { retryAfterSecondsOf } from '../src/http/unavailable.ts';
import { KeysUnavailable } from '../src/identity/keys-unavailable.ts';
import { ExchangeUnavailable } from '../src/oauth/token-exchange.ts';
import { PolicyUnavailable } from '../src/policy/engine.ts';
import { DatabaseUnavailable } from '../src/storage/database.ts';

it.each([
  new DatabaseUnavailable('away'),
  new KeysUnavailable('https://issuer', 5),
  new PolicyUnavailable('slow'),
  new ExchangeUnavailable('overtaken'),
])('answers $name as an outage, with when to try again', (error) => {
  expect(retryAfterSecondsOf(error)).toBeGreaterThanOrEqual(1);
});

it('does not take a bug for an outage', () => {
  expect(retryAfterSecondsOf(new TypeError('bug'))).toBeNull();
});
