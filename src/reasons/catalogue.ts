/**
 * Every reason for which anything is refused, in one list: for the documentation, for the console's page of reasons
 * and for what it says beside an event. A code means one thing, wherever it occurs, so it can be searched for alone.
 */
import type { EventName, JsonObject } from '../audit/event.ts';
import { meaningOf } from '../reasons.ts';
import { ASSERTION_REASONS } from './assertion.ts';
import { CALLER_REASONS, WORKLOAD_REASONS } from './caller.ts';
import { FORGERY_REASONS, PAGE_REASONS, SIGN_IN_REASONS } from './console.ts';
import { DOOR_REASONS } from './door.ts';
import { EXCHANGE_REASONS, type ExchangeReason } from './exchange.ts';
import type { ClientAnswer, Explanation } from './explanation.ts';
import { FORM_REASONS } from './form.ts';
import { LIMIT_REASONS } from './limit.ts';
import { VOTE_REASONS } from './vote.ts';

export type ReasonEntry = Explanation & {
  readonly code: string;
  /** The events that carry the code. */
  readonly events: readonly EventName[];
  readonly client: ClientAnswer & { readonly description?: string };
};

export type ReasonFamily = {
  readonly title: string;
  /** Who is refused here, and how the trail tells it. */
  readonly text: string;
  readonly entries: readonly ReasonEntry[];
};

/** Refusals by policy are told by its decision. */
const DECISION_EVENTS: readonly EventName[] = ['policy.decided', 'policy.failed'];
const BY_POLICY: ReadonlySet<ExchangeReason> = new Set(['denied_by_policy', 'proof_required']);

const exchangeEntry = (code: ExchangeReason): ReasonEntry => {
  const { error, description } = meaningOf(code);
  return {
    code,
    ...EXCHANGE_REASONS[code],
    events: BY_POLICY.has(code) ? DECISION_EVENTS : ['request.refused'],
    client: { status: 400, error, description },
  };
};

/** Entries of a table that says itself what the client sees, or whose reasons all look the same from outside. */
const entriesOf = (
  event: EventName,
  table: Readonly<Record<string, Explanation & { readonly client?: ClientAnswer }>>,
  client: ReasonEntry['client'] = { status: 400, error: '' },
): ReasonEntry[] =>
  Object.entries(table).map(([code, entry]) => ({ client, ...entry, code, events: [event] }));

const unproven: ReasonEntry['client'] = { status: 400, ...meaningOf('assertion_rejected') };

export const REASON_FAMILIES: readonly ReasonFamily[] = [
  {
    title: 'Exchanges',
    text: 'An agent at /token, or at /revoke. What is malformed is refused before anybody asks who sent it, so the trail knows only the network.',
    entries: (Object.keys(EXCHANGE_REASONS) as ExchangeReason[]).map(exchangeEntry),
  },
  {
    title: 'Forms',
    text: 'What is no exchange by its form, at /token or /revoke, and is read no further. The trail knows only the network.',
    entries: entriesOf('request.refused', FORM_REASONS),
  },
  {
    title: 'Front door',
    text: 'What is not let in, wherever it was sent. The trail knows only the network.',
    entries: entriesOf('request.refused', DOOR_REASONS),
  },
  {
    title: 'Assertions',
    text: 'Whoever shows an assertion that is not believed: at /token, /revoke, /token-use or /introspect, or at a page as a tool. The client never learns which of these it was; beyond /token and /revoke it sees 401 invalid_token.',
    entries: entriesOf('assertion.rejected', ASSERTION_REASONS, unproven),
  },
  {
    title: 'Workloads',
    text: 'A workload of a trusted tenant that is no registered agent, at /token or /revoke. From outside it looks like a bad assertion.',
    entries: entriesOf('agent.rejected', WORKLOAD_REASONS, unproven),
  },
  {
    title: 'APIs and tools',
    text: 'Callers of /token-use and /introspect, and tools that read pages as JSON.',
    entries: entriesOf('caller.rejected', CALLER_REASONS),
  },
  {
    title: 'Votes',
    text: 'People who decide.',
    entries: entriesOf('approval.refused', VOTE_REASONS),
  },
  {
    title: 'Sign-ins',
    text: 'People who come back from Microsoft Entra.',
    entries: entriesOf('console.sign_in_refused', SIGN_IN_REASONS, { status: 400, error: 'sign_in_failed' }),
  },
  {
    title: 'Forged posts',
    text: 'What was not sent from a page of the console.',
    entries: entriesOf('csrf.blocked', FORGERY_REASONS, { status: 403, error: 'csrf' }),
  },
  {
    title: 'Rate limits',
    text: 'Whoever comes too often. People see a page that says so.',
    entries: entriesOf('ratelimit.tripped', LIMIT_REASONS, { status: 429, error: 'slow_down' }),
  },
  {
    title: 'Pages',
    text: 'People for whom a page is not.',
    entries: entriesOf('console.refused', PAGE_REASONS),
  },
];

const ENTRIES: ReadonlyMap<string, ReasonEntry> = new Map(
  REASON_FAMILIES.flatMap(({ entries }) => entries.map((entry) => [entry.code, entry])),
);

/** Events that tell a refusal; of `policy.decided` only those that carry a reason. */
export const REFUSAL_EVENTS: readonly EventName[] = [
  ...new Set([...ENTRIES.values()].flatMap(({ events }) => events)),
];

/** The member of an event's body that holds the code: a vote has a `reason` of its own, the person's. */
export const codeMemberOf = (event: string): 'reason' | 'refused' =>
  event === 'approval.refused' ? 'refused' : 'reason';

/**
 * Which events tell this reason, or any, and the text that the canonical form of each of them has and no other has:
 * within a string every quote would be escaped. Undefined for what is no reason.
 */
export const refusalsOf = (
  code: string,
): { readonly events: readonly EventName[]; readonly holds: string } | undefined => {
  if (code === 'any') return { events: REFUSAL_EVENTS, holds: '"reason":"' };
  const events = ENTRIES.get(code)?.events;
  return events && { events, holds: `"${codeMemberOf(events[0] ?? '')}":"${code}"` };
};

/** The reason with this code; undefined for any other text. */
export const findReason = (code: string): ReasonEntry | undefined => ENTRIES.get(code);

/** The reason that an event tells; undefined if it tells no refusal, or one that this version does not know. */
export const reasonOfEvent = (event: string, data: JsonObject): ReasonEntry | undefined => {
  const code = data[codeMemberOf(event)];
  const entry = typeof code === 'string' ? ENTRIES.get(code) : undefined;
  return entry?.events.some((name) => name === event) ? entry : undefined;
};
