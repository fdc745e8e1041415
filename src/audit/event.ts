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
  | 'policy.decided'
  | 'policy.failed'
  | 'policy.activated'
  | 'request.opened'
  | 'request.refused'
  | 'request.expired'
  | 'approval.given'
  | 'approval.refused'
  | 'denial.given'
  | 'grant.opened'
  | 'grant.ended'
  | 'token.issued'
  | 'token.rotated'
  | 'token.redelivered'
  | 'token.used'
  | 'registry.changed'
  | 'key.created'
  | 'console.signed_in'
  | 'console.sign_in_refused'
  | 'console.signed_out'
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

/** Events as parallel columns, the form in which one statement inserts several. */
export type EventColumns = {
  readonly names: string[];
  readonly requestIds: (string | null)[];
  readonly agentIds: (string | null)[];
  readonly bodies: Buffer[];
};

/** Version of the body's layout, its `v`. */
const BODY_VERSION = 1;

/** Renders events that happened at `at` to the columns of `audit_events`, in order. */
export const eventColumns = (events: readonly AuditEvent[], at: Date): EventColumns => {
  const columns: EventColumns = { names: [], requestIds: [], agentIds: [], bodies: [] };
  const time = at.toISOString();
  for (const { name, requestId = null, agentId = null, traceId = null, data } of events) {
    columns.names.push(name);
    columns.requestIds.push(requestId);
    columns.agentIds.push(agentId);
    columns.bodies.push(
      Buffer.from(
        canonicalJson({
          ...data,
          v: BODY_VERSION,
          at: time,
          name,
          ...(requestId && { request_id: requestId }),
          ...(agentId && { agent: agentId }),
          ...(traceId && { trace_id: traceId }),
        }),
      ),
    );
  }
  return columns;
};
