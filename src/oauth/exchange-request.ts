/** Parses the parameters of an exchange (RFC 8693 section 2.1). Pure: nothing here knows who asks. */

import type { Form } from '../http/form.ts';
import { REQUEST_ID_PREFIX } from '../ids.ts';
import type { Reason } from '../reasons.ts';
import type { AuthorizationDetails } from '../registry/registry.ts';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';
import { claimedClientId } from './claimed-client.ts';

const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';
const JWT = `${TOKEN_TYPE}jwt`;
const ACCESS_TOKEN = `${TOKEN_TYPE}access_token`;

const REQUEST_ID = /^[A-Za-z0-9._~-]{1,128}$/;
const BROKER_REQUEST_ID = /^areq_[A-Za-z0-9_-]{22}$/;
/** RFC 6749 appendix A.4. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
/** More actions than any API has; a limit only against abuse. */
const SCOPES_MAX = 100;
const JUSTIFICATION_MAX_CHARACTERS = 2_000;
const SECONDS = /^[1-9][0-9]{0,9}$/;
/** Longer wishes are capped anyway; PostgreSQL's integer ends at about twice this. */
const REQUESTED_SECONDS_MAX = 1_000_000_000;

export type ExchangeRequest = {
  readonly subjectToken: string;
  /** The client id the request claims, to be compared with the agent of the assertion. */
  readonly claimedClientId: string | null;
  /** The one API named by `audience` or `resource`. */
  readonly audience: string;
  /** Sorted, without duplicates; null if none was named. */
  readonly scopes: readonly string[] | null;
  readonly issuedTokenType: string;
  /** The agent's own key or the broker's id of an earlier answer, null if neither was sent. */
  readonly requestId: { readonly kind: 'own' | 'broker'; readonly value: string } | null;
  readonly justification: string | null;
  /** Seconds. */
  readonly requestedSeconds: number | null;
  readonly authorizationDetails: AuthorizationDetails;
};

/** A step's result: its value, or the reason for which the exchange ends here. */
export type Checked<T> =
  | { readonly value: T; readonly reason?: undefined }
  | { readonly reason: Reason; readonly value?: undefined };

const parseTarget = (form: Form): Checked<string> => {
  const resources = form.all('resource');
  const [target, ...others] = new Set([...form.all('audience'), ...resources]);
  if (target === undefined) return { reason: 'target_missing' };
  if (others.length > 0) return { reason: 'target_ambiguous' };
  if (resources.length > 0 && (!URL.canParse(target) || target.includes('#')))
    return { reason: 'target_malformed' };
  return { value: target };
};

const parseScopes = (scope: string | undefined): Checked<readonly string[] | null> => {
  if (scope === undefined) return { value: null };
  const scopes = scope.split(' ').filter((token) => token !== '');
  if (scopes.length === 0) return { value: null };
  if (scopes.length > SCOPES_MAX || !scopes.every((token) => SCOPE_TOKEN.test(token)))
    return { reason: 'scope_malformed' };
  return { value: [...new Set(scopes)].sort() };
};

/** The agent's own key or the broker's id, told apart by their form. */
export const parseRequestId = (id: string | undefined): Checked<ExchangeRequest['requestId']> => {
  if (id === undefined) return { value: null };
  if (id.startsWith(REQUEST_ID_PREFIX)) {
    return BROKER_REQUEST_ID.test(id)
      ? { value: { kind: 'broker', value: id } }
      : { reason: 'request_id_unknown' };
  }
  return REQUEST_ID.test(id) ? { value: { kind: 'own', value: id } } : { reason: 'request_id_unknown' };
};

/** Read strictly: whoever enforces these details must not read another of two members than we did. */
const parseDetails = (json: string | undefined): Checked<AuthorizationDetails> => {
  if (json === undefined) return { value: [] };
  const details = parseStrictJson(json).value;
  const isDetail = (detail: unknown): boolean => isJsonObject(detail) && typeof detail.type === 'string';
  return Array.isArray(details) && details.every(isDetail)
    ? { value: details }
    : { reason: 'authorization_details' };
};

const parseSeconds = (text: string | undefined): Checked<number | null> => {
  if (text === undefined) return { value: null };
  if (!SECONDS.test(text)) return { reason: 'requested_expires_in' };
  return { value: Math.min(Number(text), REQUESTED_SECONDS_MAX) };
};

/** Who asks: an assertion, and the client id that is claimed. The same at every endpoint of agents. */
export const parseCaller = (
  form: Form,
  authorization: string | undefined,
): Checked<Pick<ExchangeRequest, 'subjectToken' | 'claimedClientId'>> => {
  const client = claimedClientId(form, authorization);
  if (client.reason !== undefined) return client;
  const subjectToken = form.get('subject_token');
  if (subjectToken === undefined) return { reason: 'subject_token_missing' };
  const subjectTokenType = form.get('subject_token_type');
  if (subjectTokenType !== JWT && subjectTokenType !== ACCESS_TOKEN) return { reason: 'subject_token_type' };
  return { value: { subjectToken, claimedClientId: client.value } };
};

/** The parameters, or the first reason for which they are refused. An empty parameter is an absent one. */
export const parseExchangeRequest = (
  form: Form,
  authorization: string | undefined,
): Checked<ExchangeRequest> => {
  const caller = parseCaller(form, authorization);
  if (caller.reason !== undefined) return caller;
  if (form.get('actor_token') !== undefined || form.get('actor_token_type') !== undefined)
    return { reason: 'actor_token' };
  const requestedTokenType = form.get('requested_token_type') ?? ACCESS_TOKEN;
  if (requestedTokenType !== ACCESS_TOKEN && requestedTokenType !== JWT)
    return { reason: 'requested_token_type' };
  const target = parseTarget(form);
  if (target.reason !== undefined) return target;
  const scopes = parseScopes(form.get('scope'));
  if (scopes.reason !== undefined) return scopes;
  const requestId = parseRequestId(form.get('request_id'));
  if (requestId.reason !== undefined) return requestId;
  const justification = form.get('justification') ?? null;
  if (justification !== null && [...justification].length > JUSTIFICATION_MAX_CHARACTERS)
    return { reason: 'justification_too_long' };
  const requestedSeconds = parseSeconds(form.get('requested_expires_in'));
  if (requestedSeconds.reason !== undefined) return requestedSeconds;
  const details = parseDetails(form.get('authorization_details'));
  if (details.reason !== undefined) return details;
  return {
    value: {
      ...caller.value,
      audience: target.value,
      scopes: scopes.value,
      issuedTokenType: requestedTokenType,
      requestId: requestId.value,
      justification,
      requestedSeconds: requestedSeconds.value,
      authorizationDetails: details.value,
    },
  };
};
