/** That the trail tells a refusal's reason. */
import { sql } from 'kysely';
import { expect } from 'vitest';
import { reasonOfEvent, refusalsOf } from '../../src/reasons/catalogue.ts';
import type { DoorReason } from '../../src/reasons/door.ts';
import type { ExchangeReason } from '../../src/reasons/exchange.ts';
import type { FormReason } from '../../src/reasons/form.ts';
import type { Database } from '../../src/storage/database.ts';

/** Where the trail ends now. */
export const lastPosition = async ({ db }: Database): Promise<number> =>
  (await sql<{ last: number }>`select coalesce(max(position), 0) as last from audit_events`.execute(db))
    .rows[0]?.last ?? 0;

type StoredBody = Readonly<Record<string, string>>;

/** Exactly one event since `after` tells the reason, and the filter by reason finds it. */
export const expectEvent = async (
  { db }: Database,
  reason: ExchangeReason | FormReason | DoorReason,
  after: number,
): Promise<StoredBody> => {
  const { events, holds } = refusalsOf(reason) ?? { events: [], holds: '' };
  const { rows } = await sql<{ name: string; body: StoredBody }>`
    select name, convert_from(body, 'UTF8')::jsonb as body from audit_events
    where position > ${after} and name = any(${events}::text[])
      and position(convert_to(${holds}, 'UTF8') in body) > 0`.execute(db);
  expect(rows.map(({ name, body }) => reasonOfEvent(name, body)?.code)).toEqual([reason]);
  return rows[0]?.body ?? {};
};
