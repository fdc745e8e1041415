/**
 * `POST /revoke` (RFC 7009): an agent gives back what is its own. A token is revoked; a request that waits is cancelled,
 * one that was granted loses its grant. What it was told is 200 only once that is stored; whatever is no good any more,
 * or never was, is 200 as well (section 2.2). A disabled or blocked agent may do it too: it only ever takes away.
 */
import Router from '@koa/router';
import { findOwnRequest } from '../access/find-own.ts';
import { cancelRequest, endGrant, revokeToken } from '../access/revoke.ts';
import { readForm } from '../http/form.ts';
import { openSlots, type Pause, SLOTS } from '../http/slots.ts';
import { traceIdOf } from '../http/trace-id.ts';
import { REQUEST_ID_PREFIX } from '../ids.ts';
import type { Reason } from '../reasons.ts';
import type { Database } from '../storage/database.ts';
import { openAllowance } from './allowance.ts';
import { type AnswerParts, answerOf } from './answer.ts';
import type { ExchangeCall, ExchangeParts } from './exchange-parts.ts';
import { parseCaller, parseRequestId } from './exchange-request.ts';
import {
  type IdentifiedCaller,
  type IdentifyingParts,
  mapAgent,
  refuseAgent,
  verifyCaller,
} from './identify-agent.ts';
import type { Refused, Throttled } from './outcome.ts';
import { type OwnKeys, readOwnToken } from './own-token.ts';
import { type CallOrigin, refuseMalformed, tellMalformed } from './tell-refusal.ts';

const ENDPOINT = '/revoke';

export type RevocationParts = IdentifyingParts &
  Pick<ExchangeParts, 'registry' | 'closings'> &
  Pick<AnswerParts, 'issuer' | 'consoleUrl'> & {
    readonly database: Database;
    readonly signingKeys: OwnKeys & AnswerParts['signingKeys'];
    /** Counts a request that was refused because too many were under way. */
    readonly observeShed: () => void;
  };

type Call = Pick<ExchangeCall, 'form' | 'authorization'> & CallOrigin;

/** Cancelled, or its grant ended if it was granted meanwhile; neither if both are over. */
const takeBackRequest = async (database: Database, requestId: string, agentId: string): Promise<void> => {
  const author = { by: `agent:${agentId}`, reason: 'the agent took its request back' };
  if ((await cancelRequest(database, requestId, author)) === 'over')
    await endGrant(database, requestId, author, 'agent');
};

/** Takes back what `name` names. Null: it is done, or there is nothing to do. */
const takeBack = async (parts: RevocationParts, agentId: string, name: string): Promise<Reason | null> => {
  const { database } = parts;
  const named = parseRequestId(name).value ?? null;
  if (named !== null) {
    const requestId = await findOwnRequest(database, agentId, named);
    if (requestId === null) return named.kind === 'broker' ? 'request_id_unknown' : null;
    await takeBackRequest(database, requestId, agentId);
    return null;
  }
  if (name.startsWith(REQUEST_ID_PREFIX)) return 'request_id_unknown';
  const token = await readOwnToken(parts.signingKeys, name);
  if (token === null) return null;
  if (token.payload.sub !== agentId) return 'token_foreign';
  const author = { by: `agent:${agentId}`, reason: 'the agent gave its token back' };
  await revokeToken(database, token.jti, author);
  return null;
};

/** Null: whatever was named is good for nothing from now on, and that is stored. */
const revoke = async (
  parts: RevocationParts,
  call: Call,
  pause: Pause,
): Promise<Refused | Throttled | null> => {
  const asked = parseCaller(call.form, call.authorization);
  if (asked.reason !== undefined) return refuseMalformed(parts, call, asked.reason);
  // As for exchanges: keys are waited for outside of the bound.
  const workload = await pause(verifyCaller(parts, call, asked.value));
  if ('kind' in workload) return workload;
  const allowance = openAllowance(parts, workload, call);
  const exhausted = await allowance.look();
  if (exhausted !== null) return exhausted;
  const registry = parts.registry();
  const agent = await mapAgent(parts, registry, call, { workload, allowance });
  if ('kind' in agent) return agent;
  const over = await allowance.take();
  if (over !== null) return over;
  const caller: IdentifiedCaller = {
    agent,
    workload,
    allowance,
    traceId: call.traceId,
    registryRevision: registry.revision,
  };
  const refuse = (reason: Reason) => refuseAgent(parts, caller, reason, { endpoint: ENDPOINT });
  const { claimedClientId } = asked.value;
  if (claimedClientId !== null && claimedClientId !== agent.id) return refuse('client_id_mismatch');
  if (parts.closings().isSuperseded(agent, workload.issuedAt)) return refuse('assertion_superseded');
  const name = call.form.get('token');
  if (name === undefined) return refuse('token_missing');
  const reason = await takeBack(parts, agent.id, name);
  return reason === null ? null : refuse(reason);
};

export const revocationRoutes = (parts: RevocationParts): Router => {
  const router = new Router();
  const revocations = openSlots(SLOTS.revocations, parts.observeShed);
  router.all(ENDPOINT, async (context) => {
    context.set('Cache-Control', 'no-store');
    const from = {
      endpoint: ENDPOINT,
      address: context.state.clientAddress,
      traceId: traceIdOf(context.get('traceparent')),
    };
    const form = await readForm(context.req);
    if ('error' in form) {
      if (form.reason === 'method_not_post') context.set('Allow', 'POST');
      if (form.close) context.set('Connection', 'close');
      await tellMalformed(parts, from, form.reason);
      context.status = form.status;
      context.body = { error: form.error, error_description: form.description };
      return;
    }
    const call = { form, authorization: context.req.headers.authorization, ...from };
    const refusal = await revocations((pause) => revoke(parts, call, pause));
    if (refusal === null) {
      context.status = 200;
      context.body = Buffer.alloc(0);
      context.remove('Content-Type');
      return;
    }
    const { status, headers, body } = answerOf(parts, refusal, call.authorization !== undefined);
    context.status = status;
    context.set(headers);
    context.body = body;
  });
  return router;
};
