/** From the table of reasons to what people read of it, beside an event and on the page of reasons. */
import type { ReasonModel, ReasonsModel } from '../../views/reasons-page.tsx';
import type { RefusalModel, RepeatsModel } from '../../views/refusal-note.tsx';
import type { StoredEvent } from '../audit/trace.ts';
import { REASON_FAMILIES, type ReasonEntry, reasonOfEvent } from '../reasons/catalogue.ts';

const seenOf = ({ status, error }: ReasonEntry['client']): string => `${status} ${error}`;

const refusalModel = ({ code, meaning, advice, client }: ReasonEntry): RefusalModel => ({
  code,
  meaning,
  advice,
  seen: seenOf(client),
});

/** What a bad assertion is answered with beyond `/token` (RFC 6750 section 3.1). */
const BEARER = { status: 401, error: 'invalid_token' } as const;

/** Why the event refuses; null if it does not, or for a reason that this version does not know. */
export const refusalOf = ({ name, body }: StoredEvent): RefusalModel | null => {
  const entry = reasonOfEvent(name, body);
  if (entry === undefined) return null;
  const client = name === 'assertion.rejected' && 'endpoint' in body ? BEARER : entry.client;
  return refusalModel({ ...entry, client });
};

/** How many more refusals the event counts; null if it is a single fact. */
export const repeatsOf = ({ body, recordedAt }: StoredEvent): RepeatsModel | null => {
  const { count, since, varied } = body;
  if (typeof count !== 'number' || typeof since !== 'string') return null;
  const begun = new Date(since);
  if (Number.isNaN(begun.getTime())) return null;
  return { count, since: begun, until: recordedAt, varied: varied === true };
};

const reasonModel = (entry: ReasonEntry): ReasonModel => ({
  ...refusalModel(entry),
  seen:
    entry.client.description === undefined
      ? seenOf(entry.client)
      : `${seenOf(entry.client)}: ${entry.client.description}`,
  events: entry.events,
});

/** The page of reasons; it never changes while the broker runs. */
export const REASONS_MODEL: ReasonsModel = REASON_FAMILIES.map(({ title, text, entries }) => ({
  id: `about-${title.toLowerCase().replaceAll(' ', '-')}`,
  title,
  text,
  reasons: entries.map(reasonModel),
}));

/** Reasons to choose a filter from. */
export const REASON_GROUPS = REASON_FAMILIES.map(({ title, entries }) => ({
  title,
  codes: entries.map(({ code }) => code).sort(),
}));
