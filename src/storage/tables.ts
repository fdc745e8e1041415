/**
 * The schema of `migrations/`, as kysely types it. Columns and states are told there; here stands only how a value
 * arrives: int8 and count as number (`src/storage/database.ts` parses them), timestamptz as Date, bytea as Buffer,
 * jsonb as what JSON.parse gives, which its reader narrows, and is written as JSON text.
 */
import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

/** jsonb: read parsed, written as text (an array given to pg as it is would become a PostgreSQL array). */
type Json = ColumnType<unknown, string, string>;
type NullableJson = ColumnType<unknown, string | null, string | null>;

export type RequestState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'permitted';
export type GrantState = 'offered' | 'active' | 'ended';
export type GrantEnd = 'expired' | 'revoked' | 'lapsed';
export type TokenState = 'ACTIVE' | 'ROTATED' | 'REVOKED';
/** What a block closes, or what is taken back whole. */
export type BlockKind = 'agent' | 'audience' | 'environment' | 'global';
export type RevocationKind = BlockKind | 'token' | 'key';

export type Tables = {
  registry_revisions: {
    revision: number;
    applied_at: Generated<Date>;
    applied_by: string;
    reason: string;
    digest: string;
    document: Json;
  };
  policy_revisions: {
    revision: string;
    bundle: Buffer;
    stored_at: Generated<Date>;
  };
  in_force: {
    singleton: Generated<boolean>;
    registry_revision: Generated<number>;
    policy_revision: string | null;
    blocks_revision: Generated<number>;
    not_before: Date | null;
  };
  agents: {
    id: string;
    tenant_id: string;
    object_id: string;
    application_id: string;
    enabled: boolean;
    definition: Json;
    revision: number;
    not_before: Date | null;
  };
  resources: {
    audience: string;
    enabled: boolean;
    definition: Json;
    revision: number;
  };
  access_requests: {
    id: string;
    agent_id: string;
    audience: string;
    scopes: string[];
    authorization_details: Json;
    proof_key: string | null;
    request_digest: string;
    justification: string | null;
    requested_seconds: number | null;
    workload: Json;
    registry_revision: number;
    decision: Json;
    terms: Json;
    terms_digest: string;
    quorum: number;
    approvals: Generated<number>;
    state: RequestState;
    opened_at: Generated<Date>;
    expires_at: Date;
    decided_at: Date | null;
  };
  request_keys: {
    agent_id: string;
    key: string;
    request_id: string;
  };
  votes: {
    request_id: string;
    approver_tenant: string;
    approver_object: string;
    verdict: 'approve' | 'deny';
    approver_group: string;
    approver_groups: string[] | null;
    reason: string;
    terms_digest: string;
    signed_in_at: Date;
    voted_at: Generated<Date>;
  };
  past_terms: {
    request_id: string;
    terms_digest: string;
    terms: Json;
    narrowed_at: Generated<Date>;
  };
  denials: {
    request_id: string;
    agent_id: string;
    audience: string;
    scope: string;
    denied_at: Generated<Date>;
    held_until: Date;
    lifted_at: Date | null;
  };
  grants: {
    id: string;
    request_id: string;
    agent_id: string;
    terms_digest: string;
    state: GrantState;
    ended_reason: GrantEnd | null;
    approver_groups: string[];
    token_seconds: number;
    tokens_left: number | null;
    opened_at: Generated<Date>;
    starts_at: Date | null;
    pickup_until: Date;
    approved_until: Date;
    current_jti: string | null;
    ended_at: Date | null;
    ended_by: 'operator' | 'agent' | 'block' | null;
  };
  tokens: {
    jti: string;
    grant_id: string;
    kid: string;
    state: TokenState;
    issued_at: Date;
    expires_at: Date;
    successor_jti: string | null;
  };
  revocation_head: {
    singleton: Generated<boolean>;
    position: Generated<number>;
    mark: Generated<string>;
  };
  revocations: {
    position: number;
    mark: string;
    kind: RevocationKind;
    subject: string;
    until: Date;
    recorded_at: Generated<Date>;
  };
  blocks: {
    id: string;
    kind: BlockKind;
    subject: string;
    lasting: boolean;
    reason: string;
    set_by: string;
    set_at: Generated<Date>;
    swept_at: Date | null;
    lifted_at: Date | null;
    lifted_by: string | null;
    lifted_reason: string | null;
  };
  used_proofs: {
    digest: string;
    used_at: Generated<Date>;
  };
  opened_assertions: {
    tenant_id: string;
    assertion_id: string;
    request_id: string;
    expires_at: Date;
  };
  token_uses: {
    audience: string;
    event_id: string;
    jti: string;
  };
  audit_events: {
    position: GeneratedAlways<number>;
    recorded_at: Generated<Date>;
    name: string;
    request_id: string | null;
    agent_id: string | null;
    body: Buffer;
  };
  people: {
    tenant_id: string;
    object_id: string;
    name: string;
    username: string;
    seen_at: Generated<Date>;
  };
  signing_keys: {
    kid: string;
    purpose: 'token' | 'console';
    algorithm: string;
    /** Not read: public halves are derived from private ones. */
    public_jwk: NullableJson;
    /** Null once it was erased. */
    private_key_encrypted: Buffer | null;
    created_at: Generated<Date>;
    active_from: Generated<Date>;
    withdrawn_at: Date | null;
  };
  sign_ins: {
    state_hash: Buffer;
    browser_hash: Buffer;
    secrets: Json;
    return_to: string;
    expires_at: Date;
  };
  console_sessions: {
    id_hash: Buffer;
    tenant_id: string;
    object_id: string;
    name: string;
    username: string;
    roles: string[];
    signed_in_at: Generated<Date>;
    authenticated_at: Date | null;
    authentication_contexts: Generated<string[]>;
    seen_at: Generated<Date>;
    expires_at: Date;
  };
};
