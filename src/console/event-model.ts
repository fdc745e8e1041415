/** From a stored event to what people read of it: flat facts, people by name, the telling ones first. */
import type { EventFact, EventModel, Tone } from '../../views/event-facts.tsx';
import type { EventName, JsonObject, JsonValue } from '../audit/event.ts';
import type { StoredEvent } from '../audit/trace.ts';
import { codeMemberOf } from '../reasons/catalogue.ts';
import type { Principal } from '../registry/registry.ts';
import { type Names, personOf } from './people.ts';
import { refusalOf, repeatsOf } from './reason-model.ts';

/** Every event there is, and how it reads at a glance. */
const TONES: Readonly<Record<EventName, Tone>> = {
  'assertion.verified': 'plain',
  'assertion.rejected': 'bad',
  'agent.mapped': 'plain',
  'agent.rejected': 'bad',
  'caller.rejected': 'bad',
  'policy.decided': 'plain',
  'policy.failed': 'bad',
  'policy.activated': 'plain',
  'request.opened': 'open',
  'request.refused': 'bad',
  'request.narrowed': 'plain',
  'request.expired': 'end',
  'request.cancelled': 'end',
  'approval.given': 'good',
  'approval.refused': 'bad',
  'denial.given': 'bad',
  'denial.lifted': 'plain',
  'grant.opened': 'good',
  'grant.ended': 'end',
  'token.issued': 'good',
  'token.rotated': 'good',
  'token.redelivered': 'plain',
  'token.revoked': 'bad',
  'token.used': 'good',
  'ratelimit.tripped': 'bad',
  'registry.changed': 'plain',
  'block.set': 'bad',
  'block.lifted': 'plain',
  'key.created': 'plain',
  'key.erased': 'plain',
  'key.reencrypted': 'plain',
  'key.withdrawn': 'plain',
  'console.signed_in': 'plain',
  'console.sign_in_refused': 'bad',
  'console.signed_out': 'plain',
  'console.refused': 'bad',
  'csrf.blocked': 'bad',
};

/** Names to choose a filter from. */
export const EVENT_NAMES: readonly string[] = Object.keys(TONES).sort();

/** A refusal inside an event of another name is still one; of a name this version does not know, nothing is said. */
const toneOf = ({ name, body }: StoredEvent): Tone =>
  body.outcome === 'refused' || body.decision === 'deny'
    ? 'bad'
    : ((TONES as Readonly<Record<string, Tone>>)[name] ?? 'plain');

/** Members of a body that the page shows in their own places. */
const FRAME: ReadonlySet<string> = new Set(['v', 'name', 'request_id', 'agent']);

/** Facts worth reading in passing, in this order; everything else is one click away. */
const LEADING = [
  'decision',
  'state',
  'outcome',
  'verdict',
  'refused',
  'rule',
  'audience',
  'scopes',
  'approver',
  'person',
  'by',
  'reason',
  'internal_reason',
  'cause',
  'jti',
  'token_seconds',
  'registry_revision',
  'status',
  'credential',
  'network',
  'endpoint',
  'tenant',
  'object',
] as const;

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const principalIn = (value: JsonValue | undefined): Principal | null => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { tenant, object } = value as { readonly [name: string]: JsonValue };
  if (typeof tenant !== 'string' || typeof object !== 'string') return null;
  return GUID.test(tenant) && GUID.test(object) ? { tenant, object } : null;
};

/** Whoever took something back is `TENANT/OBJECT` in `by`; the same in any other member may be a stranger's words. */
const factOf = ([name, value]: readonly [string, JsonValue]): readonly [string, JsonValue] => [
  name,
  name === 'by' && typeof value === 'string' ? (personOf(value) ?? value) : value,
];

const factsIn = (body: JsonObject) => Object.entries(body).map(factOf);

/** Everybody whom these events name, for one look at their names. */
export const peopleIn = (events: readonly StoredEvent[]): Principal[] =>
  events.flatMap(({ body }) => factsIn(body).flatMap(([, value]) => principalIn(value) ?? []));

/** A person in passing is a name. */
const briefOf = (value: JsonValue, names: Names): { readonly brief?: string } => {
  const person = principalIn(value);
  return person === null ? {} : { brief: names(person) ?? person.object };
};

const isPlainList = (value: JsonValue): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

const isEmptyList = (value: JsonValue): boolean => Array.isArray(value) && value.length === 0;

const textOf = (value: JsonValue, names: Names): string => {
  const person = principalIn(value);
  if (person !== null) {
    const name = names(person);
    return name === null ? person.object : `${name} (${person.object})`;
  }
  if (typeof value === 'string') return value;
  return isPlainList(value) ? value.join(' ') : JSON.stringify(value);
};

const rankOf = (name: string): number => {
  const rank = (LEADING as readonly string[]).indexOf(name);
  return rank < 0 ? LEADING.length : rank;
};

export const eventModel = (event: StoredEvent, names: Names): EventModel => {
  const refusal = refusalOf(event);
  const shownApart = refusal === null ? null : codeMemberOf(event.name);
  const facts = factsIn(event.body)
    .filter(([name, value]) => !FRAME.has(name) && value !== null)
    .map(
      ([name, value]): EventFact => ({
        name: name.replaceAll('_', ' '),
        value: textOf(value, names),
        ...briefOf(value, names),
        leading: name !== shownApart && rankOf(name) < LEADING.length && !isEmptyList(value),
      }),
    )
    .sort((a, b) => rankOf(a.name.replaceAll(' ', '_')) - rankOf(b.name.replaceAll(' ', '_')));
  return {
    position: event.position,
    name: event.name,
    tone: refusal === null ? toneOf(event) : 'bad',
    recordedAt: event.recordedAt,
    agent: event.agentId,
    requestId: event.requestId,
    facts,
    refusal,
    repeats: repeatsOf(event),
  };
};
