import { pino } from 'pino';
import { afterEach, expect, it, vi } from 'vitest';
import { openOutageLog } from '../../src/http/outage-log.ts';

const MINUTE_MS = 60_000;

class KeysAway extends Error {
  override readonly name = 'KeysAway';
}

afterEach(() => void vi.useRealTimers());

it('logs the first of a kind as it comes, and equal ones of the next minute in one line', () => {
  vi.useFakeTimers();
  const logged: Record<string, unknown>[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const tellOutage = openOutageLog(logger);
  for (let count = 0; count < 1_000; count += 1) tellOutage(new KeysAway('away'), { path: `/${count}` });
  tellOutage(new TypeError('another'), { path: '/other' });
  expect(logged).toMatchObject([{ path: '/0', err: { message: 'away' } }, { path: '/other' }]);
  vi.advanceTimersByTime(MINUTE_MS);
  expect(logged.slice(2)).toMatchObject([{ error: 'KeysAway', count: 999 }]);
  tellOutage(new KeysAway('again'), { path: '/again' });
  expect(logged.at(-1)).toMatchObject({ path: '/again' });
  vi.advanceTimersByTime(MINUTE_MS);
  expect(logged).toHaveLength(4);
});
