/**
 * One fact of the audit trail. An event is kept as the exact RFC 8785 bytes written here, so that what is later
 * hashed, exported and verified is what was committed, byte for byte. No secret ever goes into `data`: an
 * assertion is named by its digest, a token by its `jti`, a person by tenant and object id.
 */
import { canonicalJson } from '../canonical-json.ts';

/** Every event there is: one name per fact, past tense. */
export type EventName =
  | 'assertion.verified'
  | 'assertion.rejected'
  | 'agent.mapped'
  | 'agent.rejected'
  | 'caller.rejected'
  | 'policy.decided'
  | 'policy.failed'
  | 'policy.activated'
  | 'request.opened'
  | 'request.refused'
  | 'request.expired'
  | 'request.narrowed'
  | 'request.cancelled'
  | 'approval.given'
  | 'approval.refused'
  | 'denial.given'
  | 'denial.lifted'
  | 'grant.opened'
  | 'grant.ended'
  | 'token.issued'
  | 'token.rotated'
  | 'token.redelivered'
  | 'token.revoked'
  | 'token.used'
  | 'ratelimit.tripped'
  | 'registry.changed'
  | 'block.set'
  | 'block.lifted'
  | 'key.created'
  | 'key.erased'
  | 'key.reencrypted'
  | 'key.withdrawn'
  | 'console.signed_in'
  | 'console.sign_in_refused'
  | 'console.signed_out'
  | 'console.refused'
  | 'csrf.blocked';

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };
export type JsonObject = { readonly [name: string]: JsonValue };

export type AuditEvent = {
  readonly name: EventName;
  /** The access request it belongs to (`areq_...`), if any. */
  readonly requestId?: string | null;
  /** The registered agent it is about, if any. */
  readonly agentId?: string | null;
  /** W3C trace id, 32 hex digits, of the HTTP request that caused it, if any. */
  readonly traceId?: string | null;
  /** The facts; names in snake_case as people and tools read them. */
  readonly data: JsonObject;
};

/** Version of the body's layout, its `v`. */
const BODY_VERSION = 1;

const bodyOf = ({ name, requestId, agentId, traceId, data }: AuditEvent, at: string): string =>
  canonicalJson({
    ...data,
    v: BODY_VERSION,
    at,
    name,
    request_id: requestId ?? undefined,
    agent: agentId ?? undefined,
    trace_id: traceId ?? undefined,
  });

/** Our names and ids. */
const WORD = /^[\w.-]+$/;

/** An array of words as PostgreSQL reads it: the driver escapes each element, which costs more than the words. */
const wordsText = (words: readonly (string | null)[]): string | readonly (string | null)[] =>
  words.every((word) => word === null || WORD.test(word))
    ? `{${words.map((word) => (word === null ? 'NULL' : `"${word}"`)).join(',')}}`
    : words;

/**
 * Events that happened at `at`, as the parameters of `eventRows`: the columns, and the bodies one behind the other
 * with their places, so that the bytes travel as they are.
 */
export const eventValues = (events: readonly AuditEvent[], at: Date): unknown[] => {
  const time = at.toISOString();
  const bodies = events.map((event) => bodyOf(event, time));
  const lengths = bodies.map((body) => Buffer.byteLength(body));
  let end = 0;
  const starts = lengths.map((length) => {
    end += length;
    return end - length + 1;
  });
  return [
    wordsText(events.map(({ name }) => name)),
    wordsText(events.map(({ requestId }) => requestId ?? null)),
    wordsText(events.map(({ agentId }) => agentId ?? null)),
    `{${starts.join(',')}}`,
    `{${lengths.join(',')}}`,
    Buffer.from(bodies.join('')),
  ];
};

/** The rows `event (name, request_id, agent_id, body, position)` of a statement that has `eventValues` from $`first` on. */
export const eventRows = (first: number): string => {
  const value = (nth: number): string => `$${first + nth}`;
  return `(
  select name, request_id, agent_id, substring(${value(5)}::bytea from start for length) as body, position
  from unnest(${value(0)}::text[], ${value(1)}::text[], ${value(2)}::text[], ${value(3)}::integer[], ${value(4)}::integer[])
    with ordinality as placed (name, request_id, agent_id, start, length, position)
) as event`;
};
