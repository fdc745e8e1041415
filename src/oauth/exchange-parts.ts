/** What an exchange is made of, wired in `src/broker.ts`. */
import type { DecisionWaits } from '../access/await-decisions.ts';
import type { RequestKey } from '../access/find-request.ts';
import type { Requests } from '../access/requests.ts';
import type { Refusals } from '../audit/refusals.ts';
import type { Clock } from '../clock.ts';
import type { Form } from '../http/form.ts';
import type { Pause } from '../http/slots.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import type { GuardedVerifier } from '../limits/guard-assertions.ts';
import type { RateLimits } from '../limits/rate-limits.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { Closings } from '../registry/closings.ts';
import type { Agent, Registry } from '../registry/registry.ts';
import type { Coordination } from '../storage/coordination.ts';
import type { Database } from '../storage/database.ts';
import type { SigningKeys } from '../tokens/signing-keys.ts';
import type { Allowance } from './allowance.ts';
import type { Target } from './check-target.ts';
import type { ExchangeRequest } from './exchange-request.ts';
import type { Pending } from './outcome.ts';
import type { PreferredWait } from './preferred-wait.ts';
import type { ProveKey, ProvenKey } from './prove-key.ts';

export type ExchangeParts = {
  readonly database: Database;
  readonly requests: Requests;
  readonly verifyAssertion: GuardedVerifier;
  /** The revision in force as this replica knows it. */
  readonly registry: () => Registry;
  /** What is closed, as this replica knows it. */
  readonly closings: () => Closings;
  readonly policy: PolicyEngine;
  readonly refusals: Refusals;
  readonly limits: RateLimits;
  readonly pace: Coordination['pace'];
  readonly decisionWaits: DecisionWaits;
  /** Loads the revisions that are in force now; called when a read or a write found others. */
  readonly catchUp: () => Promise<void>;
  readonly signingKeys: Pick<SigningKeys, 'active' | 'isGone'>;
  readonly proveKey: ProveKey;
  readonly clock: Clock;
  /** Observes each decision's own time, seconds. */
  readonly observeDecision: (decision: string, seconds: number) => void;
};

/** One HTTP request to `/token`, as the front door left it. */
export type ExchangeCall = {
  readonly form: Form;
  /** The Authorization header as it was sent, if any. */
  readonly authorization: string | undefined;
  /** The value of each `DPoP` header. */
  readonly proofs: readonly string[];
  /** The client's address, for the trail of rejected strangers. */
  readonly address: string;
  readonly traceId: string;
  /** Waits without being an exchange under way. */
  readonly pause: Pause;
  /** Null: the client wants its answer at once. */
  readonly wait: PreferredWait | null;
};

/** What one attempt knows once the target is checked. */
export type Exchange = {
  readonly request: ExchangeRequest;
  readonly caller: Caller;
  readonly target: Target;
  /** The key that the caller proved to hold, with the proof; null for a bearer. */
  readonly proven: ProvenKey | null;
  /** Whether the client would rather wait than be told to come again. */
  readonly mayWait: boolean;
  /** What was answered before the wait for a decision that this attempt comes after; null: none was held. */
  readonly held: Pending | null;
  /** By what its access request is found. */
  readonly key: RequestKey;
  /** The revision in force when the attempt began. */
  readonly registry: Registry;
};

/** An identified agent; what the events of its exchange have in common. */
export type Caller = {
  readonly agent: Agent;
  readonly workload: VerifiedWorkload;
  readonly allowance: Allowance;
  readonly traceId: string;
  readonly registryRevision: number;
  readonly blocksRevision: number;
};
