/** Spells an outcome for the wire: RFC 8693 section 2.2, RFC 8628 section 3.5, RFC 6749 section 5.2. */
import { descriptionOf, exceededHeaders } from '../limits/exceeded.ts';
import { meaningOf } from '../reasons.ts';
import { signAccessToken } from '../tokens/access-token.ts';
import type { SigningKeys } from '../tokens/signing-keys.ts';
import type { Issued, Outcome, Pending, Refused, Throttled } from './outcome.ts';

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
};

export type AnswerParts = {
  readonly issuer: string;
  /** Where approvers work; pending answers name the request's page there. */
  readonly consoleUrl: string;
  readonly signingKeys: Pick<SigningKeys, 'named'>;
};

/** RFC 6749 section 5.2: what error_description may hold. */
const descriptionText = (text: string): string => text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');

/** Whole seconds from `now`, never negative. */
const secondsUntil = (end: Date, now: Date): number =>
  Math.max(0, Math.floor((end.getTime() - now.getTime()) / 1000));

/**
 * The least that is told of a token. One that was wished for a second has `exp` a second after `iat`, and some of that
 * second is over; clients take 0 for "never" or "unknown".
 */
const TOKEN_SECONDS_MIN = 1;

const answerIssued = (parts: AnswerParts, outcome: Issued): Answer => ({
  status: 200,
  headers: {},
  body: {
    access_token: signAccessToken(parts.signingKeys.named(outcome.kid), {
      issuer: parts.issuer,
      environment: outcome.resource.environment,
      audience: outcome.resource.audience,
      ...outcome,
    }),
    issued_token_type: outcome.issuedTokenType,
    token_type: outcome.proofKey === null ? 'Bearer' : 'DPoP',
    expires_in: Math.max(TOKEN_SECONDS_MIN, secondsUntil(outcome.expiresAt, outcome.now)),
    grant_expires_in: secondsUntil(outcome.grantedUntil, outcome.now),
    scope: outcome.scopes.join(' '),
    request_id: outcome.requestId,
    ...(outcome.authorizationDetails.length > 0 && { authorization_details: outcome.authorizationDetails }),
  },
});

const answerPending = (parts: AnswerParts, outcome: Pending): Answer => {
  const page = `${parts.consoleUrl}/approvals/${outcome.requestId}`;
  const what =
    outcome.startsAt === null
      ? `waits for approval at ${page}`
      : `is approved and begins at ${outcome.startsAt.toISOString()}`;
  return {
    status: 400,
    headers: { 'Retry-After': String(outcome.intervalSeconds) },
    body: {
      error: outcome.early ? 'slow_down' : 'authorization_pending',
      error_description: `${outcome.requestId} ${what} : repeat the same request every ${outcome.intervalSeconds} seconds`,
      request_id: outcome.requestId,
      interval: outcome.intervalSeconds,
      expires_in: outcome.expiresInSeconds,
    },
  };
};

/** RFC 6749 section 5.2: 401 with a challenge only where the client tried the Authorization header. */
const answerRefused = (outcome: Refused, authorizationSent: boolean): Answer => {
  const { error, description } = meaningOf(outcome.reason);
  const challenge = error === 'invalid_client' && authorizationSent;
  const text = outcome.publicReason ?? description;
  return {
    status: challenge ? 401 : 400,
    headers: challenge ? { 'WWW-Authenticate': 'Basic realm="countersign"' } : {},
    body: {
      error,
      error_description: descriptionText(
        outcome.requestId === null ? text : `${text} (request ${outcome.requestId})`,
      ),
      ...(outcome.requestId !== null && { request_id: outcome.requestId }),
      ...(error === 'access_denied' && { reason: text }),
    },
  };
};

/** RFC 6585 section 4, with the error that clients of RFC 8628 already wait for. */
const answerThrottled = ({ exceeded, requestId }: Throttled): Answer => ({
  status: 429,
  headers: exceededHeaders(exceeded),
  body: {
    error: 'slow_down',
    error_description: descriptionText(
      requestId === null ? descriptionOf(exceeded) : `${descriptionOf(exceeded)} (request ${requestId})`,
    ),
    ...(requestId !== null && { request_id: requestId }),
  },
});

/** The HTTP answer to an exchange. A token is signed here, after everything about it is committed. */
export const answerOf = (parts: AnswerParts, outcome: Outcome, authorizationSent: boolean): Answer => {
  switch (outcome.kind) {
    case 'issued':
      return answerIssued(parts, outcome);
    case 'pending':
      return answerPending(parts, outcome);
    case 'refused':
      return answerRefused(outcome, authorizationSent);
    case 'throttled':
      return answerThrottled(outcome);
  }
};
