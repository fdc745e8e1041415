/** Workloads whose assertion is good and who are refused all the same, and callers that show none. */
import type { ClientAnswer, Explanation } from './explanation.ts';

/** At `/token`; outside the same answer as for a bad assertion (RFC 8693 section 2.2.2). */
export const WORKLOAD_REASONS = {
  unknown_workload: {
    meaning: 'The assertion is good, but no agent is registered with its tenant and object id.',
    advice: 'If it should be an agent, register it and apply. The event has the ids to enter.',
  },
  other_application: {
    meaning: 'An agent has this tenant and object id, but another application id.',
    advice: 'The service principal was made anew, or the registry has a wrong id: compare all three.',
  },
} as const satisfies Record<string, Explanation>;

export type WorkloadReason = keyof typeof WORKLOAD_REASONS;

/** At `/token-use`, `/introspect` and at the pages that tools read as JSON (RFC 6750 section 3.1). */
export const CALLER_REASONS = {
  bearer_missing: {
    meaning: 'No assertion was sent as Bearer.',
    advice: 'The API or the tool did not get a token of Entra, or does not send it.',
    client: { status: 401, error: 'invalid_token' },
  },
  bearer_and_cookie: {
    meaning: 'A tool sent an assertion and a session cookie together.',
    advice: 'Tools must not run in a browser’s session: use one or the other.',
    client: { status: 400, error: 'invalid_request' },
  },
  api_unknown: {
    meaning: 'The assertion is good, but no API in the registry has this workload.',
    advice: 'Enter the workload at its resource in the registry and apply. The event has the ids.',
    client: { status: 403, error: 'insufficient_scope' },
  },
  report_malformed: {
    meaning:
      'An API reported uses of its tokens in a form that is not understood. Nothing of it was recorded.',
    advice: 'Tell whoever runs the API: its resource-server may be of another version.',
    client: { status: 400, error: 'invalid_request' },
  },
  report_untimely: {
    meaning:
      'An API reported a use ahead of the clock, or before its token was issued. Nothing of the report was recorded.',
    advice: 'Set the clock of the machine that the API runs on.',
    client: { status: 400, error: 'invalid_request' },
  },
  introspection_malformed: {
    meaning: 'An API asked about a token in a form that is not understood.',
    advice: 'Tell whoever runs the API: it has to send a form with one token (RFC 7662).',
    client: { status: 400, error: 'invalid_request' },
  },
  agent_as_reader: {
    meaning: 'A registered agent tried to read the trail.',
    advice: 'Agents never read it. Use a workload of its own for the tool; ask what the agent was after.',
    client: { status: 403, error: 'insufficient_scope' },
  },
  reader_role_missing: {
    meaning: 'The workload holds none of the app roles that read: Auditor, Operator, SecurityAdmin.',
    advice: 'Assign one to it in Entra if it should read.',
    client: { status: 403, error: 'insufficient_scope' },
  },
} as const satisfies Record<string, Explanation & { client: ClientAnswer }>;

export type CallerReason = keyof typeof CALLER_REASONS;
