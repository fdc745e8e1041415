/** What the console is made of, and what each of its requests carries. */
import type { RouterContext } from '@koa/router';
import type { Logger } from 'pino';
import type { Refusals } from '../audit/refusals.ts';
import type { Clock } from '../clock.ts';
import type { Form } from '../http/form.ts';
import type { Pause } from '../http/slots.ts';
import type { GuardedVerifier } from '../limits/guard-assertions.ts';
import type { RateLimits } from '../limits/rate-limits.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { Registry } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import type { Assets } from './assets.ts';
import type { Entra, SignInConfig } from './entra.ts';
import type { Session } from './sessions.ts';

/** What `src/broker.ts` gives. */
export type ConsoleOptions = {
  readonly database: Database;
  /** Public base of the pages, without a trailing slash: https, or http on a loopback address. */
  readonly url: string;
  /** The Entra application that people sign in to; null: nobody can sign in, workloads can still read. */
  readonly signIn: SignInConfig | null;
  /** Keys the HMAC of action tokens, 32 bytes, the same on every replica. */
  readonly actionKey: Buffer;
  /** The revision in force as this replica knows it. */
  readonly registry: () => Registry;
  /** Revision of the policy bundle in force, null if none is. */
  readonly policyRevision: () => string | null;
  /** Asks the policy in force. Throws when there is no verdict. */
  readonly decide: PolicyEngine['decide'];
  /** Loads the revisions that are in force now. Rejects when they cannot be had. */
  readonly catchUp: () => Promise<void>;
  /** Verifies the assertions of workloads that read as JSON. */
  readonly verifyAssertion: GuardedVerifier;
  readonly refusals: Refusals;
  readonly limits: RateLimits;
  /** Counts a page that was refused because too many were under way. */
  readonly observeShed: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type ConsoleParts = ConsoleOptions & {
  readonly assets: Assets;
  /** Null if sign-in is not configured. */
  readonly entra: Entra | null;
  /** The only origin whose posts count. */
  readonly origin: string;
};

export type ConsoleState = {
  /** CSP nonce of this response. */
  nonce: string;
  /** W3C trace id, 32 hex digits: names this request in the log, in its events and on error pages. */
  traceId: string;
  session: Session | null;
  /** As the front door found it. */
  clientAddress: string;
  /** Waits without taking the place of another page. */
  pause: Pause;
  /** The form of a post, once it was read. */
  form: Form | null;
  /** What the person typed, kept on whatever page answers. */
  typed: string;
};

export type ConsoleContext = RouterContext<ConsoleState>;
