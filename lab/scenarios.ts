/** The stories that the demo page tells, as data: who asks for what, and how that must end. */
import { COMPILATIONS } from './agents/served-api.ts';

export type Scenario = {
  readonly name: string;
  readonly title: string;
  /** What it shows, one sentence. */
  readonly shows: string;
  readonly agent: string;
  readonly audience: string;
  readonly scope: string;
  readonly decision: 'permit' | 'needs_approval' | 'deny';
  /** The agent's own words. */
  readonly justification: string;
  /** What the agent does first, whatever comes of each. */
  readonly before?: readonly Stage[];
  /** The agent keeps its token as long as it is granted; the reader chooses for how long, within these seconds. */
  readonly kept?: { readonly least: number; readonly most: number; readonly usual: number };
};

/** Asks for something, and calls the API that it is for. */
export type Stage = {
  readonly audience: string;
  readonly scope: string;
  /** The API to call with the token instead: one that it is not for. */
  readonly at?: string;
};

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'read-knowledge',
    title: 'The support agent reads an article',
    shows:
      'Policy permits it: a token for one API and one action, gone within a minute, and nobody was bothered.',
    agent: 'support-agent',
    audience: 'api://knowledge.prod',
    scope: 'articles.read',
    decision: 'permit',
    justification: 'A customer asks how to reset a password; I look it up.',
  },
  {
    name: 'export-payroll',
    title: 'The reporting agent exports the payroll',
    shows: 'Policy will not decide this alone: a person reads what is asked, and countersigns or refuses.',
    agent: 'reporting-agent',
    audience: 'api://reports.prod',
    scope: 'payroll.export',
    decision: 'needs_approval',
    justification: "The monthly cost report is due and needs the totals of this month's payroll.",
  },
  {
    name: 'delete-database',
    title: 'The operations agent deletes a database',
    shows: 'Policy denies it whatever the agent says; the attempt is on record all the same.',
    agent: 'ops-agent',
    audience: 'api://operations.prod',
    scope: 'database.delete',
    decision: 'deny',
    justification: 'The disk is nearly full, and this database looks unused.',
  },
  {
    name: 'hand-off',
    title: 'The operations agent hands work to the reporting agent',
    shows:
      'An agent that serves others is an API too: the caller comes with its own token for it, and the reporting agent does the work in its own name. Two requests, two traces, no token passed on.',
    agent: 'ops-agent',
    audience: COMPILATIONS.audience,
    scope: COMPILATIONS.scope,
    decision: 'permit',
    justification: 'The weekly summary needs the current reports.',
  },
  {
    name: 'impostor',
    title: 'Another agent tries the same',
    shows:
      'A token for another API does not open the reporting agent. Neither does a good token of an agent that is not on its list: policy permits the token, the API has the last word.',
    agent: 'support-agent',
    audience: COMPILATIONS.audience,
    scope: COMPILATIONS.scope,
    decision: 'permit',
    justification: 'I would like to see the reports as well.',
    before: [{ audience: 'api://knowledge.prod', scope: 'articles.read', at: COMPILATIONS.audience }],
  },
  {
    name: 'release',
    title: 'A release, from dev over test to prod',
    shows:
      'Development and test are permitted, each with a token of its own that opens nothing else. In production policy blocks what goes too far, and leaves the release to a person.',
    agent: 'ops-agent',
    audience: 'api://operations.prod',
    scope: 'release.deploy',
    decision: 'needs_approval',
    justification: 'Release 1.5 passed all tests in the test environment.',
    before: [
      { audience: 'api://operations.dev', scope: 'release.deploy' },
      { audience: 'api://operations.test', scope: 'release.deploy' },
      { audience: 'api://operations.test', scope: 'release.deploy', at: 'api://operations.prod' },
      { audience: 'api://operations.prod', scope: 'database.delete release.deploy' },
    ],
  },
  {
    name: 'rotation',
    title: 'The reporting agent follows figures',
    shows:
      'A grant outlives its tokens: each lives for 12 seconds, and when a third of that is left the agent is given the next one. Choose how long it asks for; when that is over, so is the last token.',
    agent: 'reporting-agent',
    audience: 'api://reports.dev',
    scope: 'figures.follow',
    decision: 'permit',
    justification: 'I watch the figures while the import runs.',
    kept: { least: 6, most: 120, usual: 36 },
  },
];
