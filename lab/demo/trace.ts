/** A request's trace as the broker tells it to tools, with each event in plain words. */
import { z } from 'zod';

export type TraceEvent = {
  readonly name: string;
  readonly at: Date;
  /** What the event means, one line. */
  readonly words: string;
  /** Whether it tells of a refusal, by policy or of a use by an API. */
  readonly refused: boolean;
  /** The facts worth a glance. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
};

export type Trace = {
  readonly events: readonly TraceEvent[];
  /** Whether a person's denial stands in it, not lifted. */
  readonly denied: boolean;
  readonly problem: string | null;
};

/** No event is known. */
export const emptyTrace = (problem: string | null): Trace => ({ events: [], denied: false, problem });

export type TraceReader = (requestId: string) => Promise<Trace>;

const WORDS: Readonly<Record<string, string>> = {
  'assertion.verified': 'The assertion is genuine: signed by Entra, for the broker, by this workload.',
  'agent.mapped': 'The workload is a registered agent.',
  'agent.rejected': 'The workload is not a registered agent.',
  'policy.failed': 'Policy could not decide, so nothing was given.',
  'request.opened': 'An access request was opened.',
  'request.refused': 'The request was refused.',
  'request.expired': 'Nobody decided in time.',
  'approval.given': 'A person countersigned exactly these terms.',
  'approval.refused': 'An attempt to vote was refused.',
  'denial.given': 'A person said no.',
  'denial.lifted': 'The denial was lifted: the agent may ask anew.',
  'grant.opened': 'A grant was opened: what is allowed, and until when.',
  'grant.ended': 'The grant ended.',
  'token.issued': 'A token was signed, after all of this was on record.',
  'token.rotated': 'A successor took the place of a token that was about to expire.',
  'token.redelivered': 'The same token was handed over again.',
  'token.used': 'The API reported that the token was used.',
};

type Members = Readonly<Record<string, unknown>>;

const DECISIONS: Readonly<Record<string, string>> = {
  permit: 'Policy permits it.',
  needs_approval: 'Policy leaves it to a person.',
  deny: 'Policy denies it.',
};

const wordsOf = (name: string, { decision, outcome }: Members): string => {
  if (name === 'policy.decided') return DECISIONS[String(decision)] ?? 'Policy decided.';
  if (outcome === 'refused') return 'The API reported that it refused the token.';
  return WORDS[name] ?? '';
};

/** Facts shown beside an event, in this order, where it has them. */
const FACTS = ['decision', 'rule', 'public_reason', 'verdict', 'reason', 'jti', 'outcome', 'status'];

const eventShape = z.looseObject({ name: z.string(), recorded_at: z.string() });
const traceShape = z.looseObject({ events: z.array(eventShape) });

const membersOf = (event: Members): Members =>
  typeof event.data === 'object' && event.data !== null ? { ...event, ...event.data } : event;

const factsOf = (members: Members): TraceEvent['facts'] =>
  FACTS.flatMap((name) => {
    const value = members[name];
    return typeof value === 'string' || typeof value === 'number' ? [{ name, value: String(value) }] : [];
  });

const readEvent = (event: z.output<typeof eventShape>): TraceEvent => {
  const members = membersOf(event);
  return {
    name: event.name,
    at: new Date(event.recorded_at),
    words: wordsOf(event.name, members),
    refused: members.outcome === 'refused' || members.decision === 'deny',
    facts: factsOf(members),
  };
};

/** Reads traces from the broker with the assertion of a workload that has the Auditor role. */
export const createTraceReader =
  (issuer: string, assertion: () => Promise<string>): TraceReader =>
  async (requestId) => {
    try {
      const response = await fetch(`${issuer}/requests/${encodeURIComponent(requestId)}`, {
        headers: { accept: 'application/json', authorization: `Bearer ${await assertion()}` },
        redirect: 'error',
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        return emptyTrace(`the broker answered with status ${response.status}`);
      }
      const { events } = traceShape.parse(await response.json());
      const last = events.findLast(({ name }) => name.startsWith('denial.'));
      return { problem: null, denied: last?.name === 'denial.given', events: events.map(readEvent) };
    } catch (error) {
      return emptyTrace(error instanceof Error ? error.message : String(error));
    }
  };
