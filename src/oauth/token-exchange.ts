/**
 * The exchange (RFC 8693), told on one page: parse, verify, map, check the target, find, decide, open or deliver.
 * The find is one read, the open or the delivery one write; the write demands the revisions that were decided on, so
 * a lost race or a moved revision writes nothing and the steps run again on what is true now. Nothing is signed here:
 * a token leaves (`answer.ts`) only after its rows and events are committed.
 */
import type { Found } from '../access/find-request.ts';
import { isAssertionReplay } from '../access/opened-assertions.ts';
import { requestDigest } from '../access/request-digest.ts';
import { isReplay } from '../access/used-proofs.ts';
import { CLOCKS_APART_MAX_SECONDS, secondsApart } from '../clock.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import { type Allowance, openAllowance } from './allowance.ts';
import { answerPending } from './answer-pending.ts';
import { checkTarget } from './check-target.ts';
import { deliver } from './deliver.ts';
import type { Exchange, ExchangeCall, ExchangeParts } from './exchange-parts.ts';
import { type Checked, type ExchangeRequest, parseExchangeRequest } from './exchange-request.ts';
import { mapAgent, refuseCaller, verifyCaller } from './identify-agent.ts';
import { denied, openUnlessDenied } from './open.ts';
import type { Outcome, Pending, Refused, Throttled } from './outcome.ts';
import type { ProvenKey } from './prove-key.ts';
import { refuseMalformed, refuseRepeat } from './tell-refusal.ts';

/** A race is lost to somebody who won it; more losses in a row than this mean that something else is wrong. */
const ATTEMPTS = 8;

/** Nothing was issued and nothing is wrong with the request: the client may simply try again. */
export class ExchangeUnavailable extends Error {
  readonly retryAfterSeconds = 1;
}

/**
 * Answers one exchange. Throws when a dependency that must hold does not (503): then nothing was issued.
 *
 * A client that would rather wait for a decision (`Prefer: wait`) is held after its pending answer is known. What was
 * true before means nothing after: the assertion, the agent, the target and policy are gone through again, as in a
 * repeat that names the request it waited for.
 */
export const exchange = async (parts: ExchangeParts, call: ExchangeCall): Promise<Outcome> => {
  const parsed = parseExchangeRequest(call.form, call.authorization);
  if (parsed.reason !== undefined) return refuseMalformed(parts, call, parsed.reason);
  const request = parsed.value;
  const caller = await identifyCaller(parts, call, request);
  if ('kind' in caller) return caller;
  const asking = { request, ...caller, proven: parts.proveKey(call.proofs), held: null };
  const outcome = await answer(parts, call, asking);
  if (outcome.kind !== 'pending' || outcome.early || call.wait === null) return outcome;
  const { requestId } = outcome;
  const wait = parts.decisionWaits.hold({ ...call.wait, requestId, agentId: outcome.agentId });
  if (wait === null) return outcome;
  if ((await call.wait.pause(wait)) === 'gone') {
    // Whoever leaves and comes back at once polls without a pace: that is an exchange each time.
    await openAllowance(parts, caller.workload, call).take();
    return outcome;
  }

  const callerNow = await identifyCaller(parts, call, request);
  if ('kind' in callerNow) return callerNow;
  return answer(parts, call, {
    request: { ...request, requestId: { kind: 'broker', value: requestId } },
    ...callerNow,
    proven: used(asking.proven),
    held: outcome,
  });
};

/** The workload that the assertion proves now, and what it may still take from its limits. */
const identifyCaller = async (
  parts: ExchangeParts,
  call: ExchangeCall,
  request: ExchangeRequest,
): Promise<Pick<Asking, 'workload' | 'allowance'> | Refused | Throttled> => {
  // Whoever names a key that has to be asked for takes no place from those whose keys are known.
  const workload = await call.pause(verifyCaller(parts, call, request));
  if ('kind' in workload) return workload;
  const allowance = openAllowance(parts, workload, call);
  return allowance.look() ?? { workload, allowance };
};

/** A proof is good once, and the pending answer took it: its key stays proven for the rest of this exchange. */
const used = (proven: Asking['proven']): Asking['proven'] =>
  proven.value ? { value: { ...proven.value, proofDigest: null } } : proven;

/** Attempts until one is not overtaken. */
const answer = async (parts: ExchangeParts, call: ExchangeCall, asking: Asking): Promise<Outcome> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const outcome = await attemptExchange(parts, call, asking);
    if (outcome !== null) return outcome;
    await catchUp(parts);
  }
  throw new ExchangeUnavailable('the exchange was overtaken too often');
};

/** Without the registry and the policy that are in force, there is no token (I8). */
const catchUp = async (parts: ExchangeParts): Promise<void> => {
  try {
    await parts.catchUp();
  } catch (cause) {
    throw new ExchangeUnavailable('the revisions in force could not be loaded', { cause });
  }
};

/** What does not change from one attempt to the next. */
type Asking = {
  readonly request: ExchangeRequest;
  readonly workload: VerifiedWorkload;
  readonly allowance: Allowance;
  readonly proven: Checked<ProvenKey | null>;
  readonly held: Pending | null;
};

const attemptExchange = async (
  parts: ExchangeParts,
  call: ExchangeCall,
  asking: Asking,
): Promise<Outcome | null> => {
  const { request, workload, allowance, proven, held } = asking;
  const registry = parts.registry();
  const closings = parts.closings();
  const policyRevision = parts.policy.revision();
  if (policyRevision === null) return null;
  const agent = await mapAgent(parts, registry, call, asking);
  if ('kind' in agent) return agent;
  const caller = {
    agent,
    workload,
    allowance,
    traceId: call.traceId,
    registryRevision: registry.revision,
    blocksRevision: closings.revision,
  };
  if (request.claimedClientId !== null && request.claimedClientId !== agent.id)
    return refuseCaller(parts, caller, request, 'client_id_mismatch');
  if (!agent.enabled) return refuseCaller(parts, caller, request, 'agent_disabled');
  if (proven.reason !== undefined) return refuseCaller(parts, caller, request, proven.reason);
  const proofKey = proven.value?.thumbprint ?? null;
  const target = checkTarget(registry, agent, { ...request, proofKey });
  if (target.reason !== undefined) return refuseCaller(parts, caller, request, target.reason);
  const key = request.requestId ?? { kind: 'digest' as const, value: requestDigest(target.value.asked) };
  allowance.begin(target.value.resource.audience);
  const found = await parts.requests.find({ key, ...target.value.asked });
  const over = await allowance.take();
  if (over !== null) return over;
  // By a clock that is set back, assertions and proofs that are over were taken for good.
  if (secondsApart(found.now, parts.clock()) > CLOCKS_APART_MAX_SECONDS)
    throw new ExchangeUnavailable('the clock of this machine and that of the database are too far apart');
  if (
    found.registryRevision !== registry.revision ||
    found.policyRevision !== policyRevision ||
    found.blocksRevision !== closings.revision
  )
    return null;
  const closed = closings.closedFor(agent, target.value.resource);
  if (closed === 'lasting') return refuseCaller(parts, caller, request, 'blocked');
  if (closed === 'passing') throw new ExchangeUnavailable('what was given is being taken back');
  if (closings.isSuperseded(agent, workload.issuedAt))
    return refuseCaller(parts, caller, request, 'assertion_superseded');
  // A token of that very second would be refused by its API.
  if (Math.floor(found.now.getTime() / 1000) <= closings.notBefore(agent, target.value.resource))
    throw new ExchangeUnavailable('tokens of this second are refused');
  const exchange = {
    request,
    caller,
    proven: proven.value,
    target: target.value,
    mayWait: call.wait !== null,
    held,
    key,
    registry,
  };
  try {
    return await answerFound(parts, exchange, found);
  } catch (error) {
    if (isReplay(error)) return refuseCaller(parts, caller, request, 'proof_replayed');
    if (isAssertionReplay(error)) return refuseCaller(parts, caller, request, 'replay');
    throw error;
  }
};

/**
 * What a repeat meets (an opening meets nothing). A denial that holds comes before whatever people have not decided
 * themselves. Null: it was overtaken, look again.
 */
const answerFound = async (
  parts: ExchangeParts,
  exchange: Exchange,
  found: Found,
): Promise<Outcome | null> => {
  const { key } = exchange;
  const request = found.request;
  if (request === null) {
    if (key.kind !== 'broker') return openUnlessDenied(parts, exchange, found);
    const over = await exchange.caller.allowance.takeMiss();
    return over ?? refuseRepeat(parts, exchange, { reason: 'request_id_unknown', requestId: null });
  }
  if (key.kind !== 'digest' && request.requestDigest !== requestDigest(exchange.target.asked))
    return refuseCaller(parts, exchange.caller, exchange.request, 'request_id_reused');
  // One whose time is over is expired, whether a sweeper has noticed or not.
  const undecided =
    request.state === 'permitted' || (request.state === 'pending' && request.expiresAt > found.now);
  if (found.deniedBy !== null && undecided) return denied(parts, exchange, found.deniedBy);
  switch (request.state) {
    case 'pending':
      return answerPending(parts, exchange, found, request);
    case 'denied':
      return key.kind === 'digest'
        ? openUnlessDenied(parts, exchange, found)
        : denied(parts, exchange, request.id);
    case 'expired':
    case 'cancelled':
      return key.kind === 'digest'
        ? openUnlessDenied(parts, exchange, found)
        : refuseRepeat(parts, exchange, {
            reason: request.state === 'expired' ? 'request_expired' : 'request_cancelled',
            requestId: request.id,
          });
    case 'approved':
    case 'permitted':
      return deliver(parts, exchange, found, request);
  }
};
