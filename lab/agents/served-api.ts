/** What the reporting agent does for other agents, as the registry, its callers and its own door know it. */
import { reports } from '../apis/reports.ts';

export const COMPILATIONS = {
  /** Who serves it. */
  agent: 'reporting-agent',
  audience: 'api://reporting-agent.prod',
  environment: 'prod',
  title: 'Reporting agent, for agents',
  description: 'Compiles business reports for other agents.',
  scope: 'reports.compile',
  scopes: { 'reports.compile': 'Have the reporting agent compile reports' },
  sensitivity: 'moderate',
  method: 'POST',
  path: '/compilations',
  /** Policy gives tokens for it to more agents; the reporting agent runs the errands of these alone. */
  callers: ['ops-agent'],
  /** Agents whose ceiling has it. */
  askedBy: ['ops-agent', 'support-agent'],
  /** What the reporting agent asks for, in its own name, to do it. */
  needs: { audience: `api://${reports.name}.prod`, scope: 'reports.read' },
} as const;
