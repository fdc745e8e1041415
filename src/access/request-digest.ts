/**
 * Two digests. The request digest finds: the same thing asked twice is the same request, however the reason is
 * worded. The terms digest is signed: what an approver saw is what was voted on, granted and recorded.
 */
import { canonicalJson, digestOf, sha256 } from '../canonical-json.ts';
import type { Decision } from '../policy/decision.ts';
import type { AuthorizationDetails } from '../registry/registry.ts';

/** What an agent asks for, after defaults; the things that make two exchanges the same. */
export type Asked = {
  readonly agentId: string;
  readonly audience: string;
  /** Sorted, without duplicates, never empty. */
  readonly scopes: readonly string[];
  readonly authorizationDetails: AuthorizationDetails;
  /** RFC 7638 thumbprint of the proof key, null for a bearer token. */
  readonly proofKey: string | null;
};

export const requestDigest = (asked: Asked): string =>
  digestOf({
    agent: asked.agentId,
    audience: asked.audience,
    scopes: asked.scopes,
    authorization_details: asked.authorizationDetails,
    proof_key: asked.proofKey,
  });

/** What an approver signs, in the spelling in which it is stored (`access_requests.terms`). */
export type Terms = {
  readonly request_digest: string;
  readonly justification_hash: string | null;
  readonly scopes: readonly string[];
  readonly authorization_details: AuthorizationDetails;
  readonly token_seconds: number;
  readonly grant_seconds: number;
  /** How long after the deciding approval the grant begins, seconds; absent: at once. */
  readonly starts_after_seconds?: number;
  readonly max_tokens: number | null;
  readonly quorum: number;
  readonly groups: readonly string[];
  readonly required_groups: readonly string[];
  readonly deny_quorum: number;
  readonly sign_in_seconds: number;
  readonly authentication_contexts: readonly string[];
  readonly rule: string;
  readonly bundle_revision: string;
};

/** The terms of a request as policy decided them, never longer than the agent wished. */
export const termsOf = (
  asked: Asked,
  decision: Decision,
  opening: { readonly justification: string | null; readonly requestedSeconds: number | null },
): Terms => {
  const wish = opening.requestedSeconds ?? Number.POSITIVE_INFINITY;
  return {
    request_digest: requestDigest(asked),
    justification_hash: opening.justification === null ? null : sha256(opening.justification),
    scopes: asked.scopes,
    authorization_details: asked.authorizationDetails,
    token_seconds: Math.min(decision.tokenSeconds, wish),
    grant_seconds: Math.min(decision.grantSeconds, wish),
    max_tokens: decision.maxTokens,
    quorum: decision.approval?.quorum ?? 0,
    groups: decision.approval?.groups ?? [],
    required_groups: decision.approval?.requiredGroups ?? [],
    deny_quorum: decision.approval?.denyQuorum ?? 0,
    sign_in_seconds: decision.approval?.signInSeconds ?? 0,
    authentication_contexts: decision.approval?.authenticationContexts ?? [],
    rule: decision.rule,
    bundle_revision: decision.bundleRevision,
  };
};

export const termsDigest = (terms: Terms): string => sha256(canonicalJson(terms));
