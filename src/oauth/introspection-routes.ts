/**
 * `POST /introspect` (RFC 7662): an API asks whether a token for it is good now. The answer is what the database holds
 * of the token, and only if the token says exactly that: whoever forges one, with a leaked key even, learns and gains
 * nothing. Of a token that is not good, or is for another API, nothing is told but that (section 2.2).
 */
import Router from '@koa/router';
import { type FindLiveToken, openLiveTokens } from '../access/find-live-token.ts';
import { canonicalJson } from '../canonical-json.ts';
import { refuseBody } from '../http/body.ts';
import { readForm } from '../http/form.ts';
import { openSlots, SLOTS } from '../http/slots.ts';
import type { Database } from '../storage/database.ts';
import { accessTokenPayload } from '../tokens/access-token.ts';
import {
  type ApiCaller,
  type ApiCallerParts,
  type ApiState,
  refuseApi,
  requireApi,
  takeOfApi,
} from './api-caller.ts';
import { type OwnKeys, readOwnToken } from './own-token.ts';

export type IntrospectionParts = ApiCallerParts & {
  readonly issuer: string;
  readonly database: Database;
  readonly signingKeys: OwnKeys;
  /** Counts a question that was refused because too many were under way. */
  readonly observeShed: () => void;
};

type Introspection = Readonly<Record<string, unknown>> & { readonly active: boolean };

const INACTIVE: Introspection = { active: false };

const introspect = async (
  parts: IntrospectionParts & { readonly findLiveToken: FindLiveToken },
  { audiences }: ApiCaller,
  presented: string,
): Promise<Introspection> => {
  const token = await readOwnToken(parts.signingKeys, presented);
  if (token === null) return INACTIVE;
  const audience = audiences.find((own) => own === token.payload.aud);
  const resource = audience === undefined ? undefined : parts.registry().resources.get(audience);
  if (resource === undefined || !resource.enabled) return INACTIVE;
  const { environment } = resource;
  const live = await parts.findLiveToken({ jti: token.jti, audience: resource.audience, environment });
  if (live === null || live.kid !== token.kid) return INACTIVE;
  const payload = accessTokenPayload({
    issuer: parts.issuer,
    audience: resource.audience,
    environment,
    jti: token.jti,
    ...live,
  });
  if (canonicalJson(payload) !== canonicalJson(token.payload)) return INACTIVE;
  return { active: true, ...payload, token_type: live.proofKey === null ? 'Bearer' : 'DPoP' };
};

export const introspectionRoutes = (parts: IntrospectionParts): Router<ApiState> => {
  const router = new Router<ApiState>();
  const questions = openSlots(SLOTS.introspections, parts.observeShed);
  const introspecting = { ...parts, findLiveToken: openLiveTokens(parts.database) };
  router.post('/introspect', requireApi(parts, '/introspect', 'introspection'), async (context) => {
    if (!(await takeOfApi(parts, context, 1))) return;
    const form = await readForm(context.req);
    if ('error' in form) return refuseApi(parts, context, 'introspection_malformed', form);
    const token = form.get('token');
    if (token === undefined)
      return refuseApi(parts, context, 'introspection_malformed', refuseBody('token is missing'));
    const answer = await questions(() => introspect(introspecting, context.state.api, token));
    context.status = 200;
    context.body = answer;
  });
  return router;
};
