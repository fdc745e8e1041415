/**
 * What one exchange takes from the limits of its workload and its API: once, however often it is attempted. Counting
 * begins before the request is looked up and is waited for after it, before anything is decided, written or told; what
 * is known to be exhausted is refused before either.
 */
import { networkOf } from '../http/network.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import type { Exceeded } from '../limits/exceeded.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { RateLimits } from '../limits/rate-limits.ts';
import type { Registry } from '../registry/registry.ts';
import type { ExchangeCall } from './exchange-parts.ts';
import { type Throttled, throttled } from './outcome.ts';

export type Allowance = {
  /** Refuses a workload that is known to have no exchange left; null: there may be one. */
  readonly look: () => Promise<Throttled> | null;
  /** Begins to take one exchange, and one of the API's where that is known to be open to the agent. */
  readonly begin: (audience: string | null) => void;
  /** What came of it, begun now if it was not yet; null: it may go on. */
  readonly take: () => Promise<Throttled | null>;
  /** Takes one refusal, and the exchange if that was not taken yet. */
  readonly takeMiss: () => Promise<Throttled | null>;
  /** Takes one rejection of somebody who is no agent. */
  readonly takeStranger: () => Promise<Throttled | null>;
  /** Takes one repeat of a pending request. */
  readonly takePoll: () => Promise<Throttled | null>;
  /** It was such a repeat, and kept its pace: it is no exchange. */
  readonly giveBack: () => void;
  /** Refuses for a limit that was found exceeded elsewhere. */
  readonly refuse: (exceeded: Exceeded) => Promise<Throttled>;
};

export type AllowanceParts = { readonly limits: RateLimits; readonly registry: () => Registry };

export const openAllowance = (
  { limits, registry }: AllowanceParts,
  workload: VerifiedWorkload,
  { address, traceId }: Pick<ExchangeCall, 'address' | 'traceId'>,
): Allowance => {
  const { tenantId: tenant, objectId: object } = workload;
  const key = `${tenant} ${object}`;
  let api: string | null = null;
  /** Never rejects: whoever fails meanwhile may leave it behind. */
  let taking: Promise<Exceeded | null> | null = null;

  const refuse = async (exceeded: Exceeded): Promise<Throttled> => {
    const agent = registry().agentOf({ tenant, object });
    const isAgent = agent !== undefined && agent.workload.application === workload.applicationId;
    const requestId = await limits.tell(exceeded, {
      key: exceeded.limit === 'audience' ? `${key} ${api}` : key,
      traceId,
      ...(isAgent && { agentId: agent.id }),
      data: {
        tenant,
        object,
        network: networkOf(address),
        ...(exceeded.limit === 'audience' && { audience: api }),
      },
    });
    return throttled(exceeded, requestId);
  };

  const spend = async (audience: string | null): Promise<Exceeded | null> => {
    const spending = limits.exchange.spend(key);
    const exceededOfApi = audience === null ? null : await limits.audience.spend(audience);
    const exceeded = await spending;
    // Whoever is over the own limit takes nothing from the others.
    if (exceeded !== null && audience !== null && exceededOfApi === null) limits.audience.giveBack(audience);
    return exceeded ?? exceededOfApi;
  };

  const begin = (audience: string | null): void => {
    if (taking !== null) return;
    api = audience;
    taking = spend(audience);
  };

  const refuseIf = (exceeded: Exceeded | null): Promise<Throttled> | null =>
    exceeded === null ? null : refuse(exceeded);
  const take = async (): Promise<Throttled | null> => {
    begin(null);
    return refuseIf(await taking);
  };
  const takeFrom = async (limiter: Limiter): Promise<Throttled | null> => refuseIf(await limiter.spend(key));

  return {
    look: () => refuseIf(limits.exchange.look(key)),
    begin,
    take,
    takeMiss: async () => (await take()) ?? takeFrom(limits.miss),
    takeStranger: () => takeFrom(limits.address),
    takePoll: () => takeFrom(limits.poll),
    giveBack: () => {
      limits.exchange.giveBack(key);
      if (api !== null) limits.audience.giveBack(api);
    },
    refuse,
  };
};
