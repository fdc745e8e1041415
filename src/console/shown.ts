/**
 * What a page showed beside the terms: the registry's words about agent and API, what policy said then, and whether
 * people denied the same on another request. The page
 * carries a fingerprint of each, bound to its action tokens; a vote counts only while all of them are the same.
 */
import type { ApprovalRequest, HeldDenial } from '../access/approval-queue.ts';
import type { DecisionNow } from '../access/check-vote.ts';
import { digestOf } from '../canonical-json.ts';
import type { Registry } from '../registry/registry.ts';

/** Enough that nobody finds another text with the same one; whoever could already writes the registry. */
const FINGERPRINT_LENGTH = 32;

/** Each part in the words in which a change of it is told. */
const PARTS = {
  agent: 'the agent’s registration or who answers for it',
  api: 'the API’s registration',
  policy: 'what policy says',
  denials: 'what people denied this agent',
} as const;

type Part = keyof typeof PARTS;

const PART_NAMES = Object.keys(PARTS) as Part[];

/** `agent.api.policy.denials`, a fingerprint each. */
export const SHOWN = new RegExp(`^[0-9a-f]{${FINGERPRINT_LENGTH}}(?:\\.[0-9a-f]{${FINGERPRINT_LENGTH}}){3}$`);

const fingerprint = (value: unknown): string => digestOf(value).slice(0, FINGERPRINT_LENGTH);

/** The denials that hold for what is left of the terms. */
export const heldAgainst = ({ heldDenials, terms }: ApprovalRequest): readonly HeldDenial[] =>
  heldDenials.filter(({ scope }) => terms.scopes.includes(scope));

/** The fingerprints of what a page made now would show. */
export const shownOf = (request: ApprovalRequest, registry: Registry, now: DecisionNow): string => {
  const agent = registry.agents.get(request.agentId);
  const resource = registry.resources.get(request.audience);
  const parts: Record<Part, unknown> = {
    agent: agent && {
      name: agent.name,
      description: agent.description,
      enabled: agent.enabled,
      owners: agent.owners,
      sponsors: agent.sponsors,
    },
    api: resource && {
      name: resource.name,
      description: resource.description,
      enabled: resource.enabled,
      environment: resource.environment,
      sensitivity: resource.sensitivity,
      actions: request.scopes.map((scope) => resource.scopes.get(scope) ?? null),
    },
    policy: { decision: now.decision, approval: now.approval },
    denials: heldAgainst(request),
  };
  return PART_NAMES.map((name) => fingerprint(parts[name] ?? null)).join('.');
};

/** What is not as the page had shown it, in words; empty if all of it is. Who says no need not know that others did. */
export const changedSince = (shown: string, now: string, verdict: 'approve' | 'deny'): string[] => {
  const before = shown.split('.');
  const after = now.split('.');
  return PART_NAMES.filter(
    (name, index) => before[index] !== after[index] && !(name === 'denials' && verdict === 'deny'),
  ).map((name) => PARTS[name]);
};
