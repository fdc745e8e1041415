/** What the demo's pages are rendered from. */
import type { Run } from '../agents/run.ts';
import type { Scenario } from '../scenarios.ts';
import type { Trace } from './trace.ts';

export type Account = {
  readonly username: string;
  readonly password: string;
  readonly roles: readonly string[];
};

/** Where the reader can go on from the demo. */
export type Lab = {
  /** The broker and its console. */
  readonly issuer: string;
  readonly accounts: readonly Account[];
};

export type Story = {
  readonly scenario: Scenario;
  /** The scenario to try next; null after the last. */
  readonly next: Scenario | null;
  readonly run: Run;
  readonly trace: Trace;
  /** Whether anything more is to be expected. */
  readonly live: boolean;
};

/** How long the trace may go on after the agent is done: the API reports uses every second. */
const TAIL_MS = 10_000;

/** Whether the run and its trace will change by themselves. */
export const isLive = (run: Run, trace: Trace, now: Date): boolean => {
  if (run.state === 'running' || run.state === 'waiting') return true;
  if (trace.events.some(({ name }) => name === 'token.used')) return false;
  const last = run.steps.at(-1);
  const isNowhereUsed = run.state === 'refused' && run.token === null;
  return last !== undefined && !isNowhereUsed && now.getTime() - Date.parse(last.at) < TAIL_MS;
};

export const accountNamed = (lab: Lab, name: string): Account | undefined =>
  lab.accounts.find(({ username }) => username.startsWith(`${name}@`));
