/** Traces and the trail as tools read them, in the spelling of the wire. */
import type { JsonObject } from '../audit/event.ts';
import type { StoredEvent, TracedRequest } from '../audit/trace.ts';

const timeOf = (time: Date | null): string | null => time?.toISOString() ?? null;

/** The body as it was sealed, with its place and time in the trail. */
export const eventJson = ({ position, recordedAt, body }: StoredEvent): JsonObject => ({
  ...body,
  position,
  recorded_at: recordedAt.toISOString(),
});

export const requestJson = (request: TracedRequest): JsonObject => ({
  request_id: request.requestId,
  agent: request.agentId,
  audience: request.audience,
  scopes: request.scopes,
  state: request.state,
  opened_at: timeOf(request.openedAt),
  expires_at: timeOf(request.expiresAt),
  decided_at: timeOf(request.decidedAt),
  approvals: request.approvals,
  quorum: request.quorum,
  terms: request.terms,
  terms_digest: request.termsDigest,
  decision: request.decision,
  grant: request.grant,
});
