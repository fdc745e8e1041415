/** `countersign policy explain`: what would be answered and why. It passes the gates of an exchange and asks policy. */
import { readFile } from 'node:fs/promises';
import { checkTarget } from '../oauth/check-target.ts';
import { readBundle } from '../policy/bundle.ts';
import type { PolicyInput } from '../policy/decision.ts';
import { explain } from '../policy/explain.ts';
import { type Explained, explanationText } from '../policy/explanation-text.ts';
import { meaningOf, type Reason } from '../reasons.ts';
import { buildRegistry } from '../registry/build-registry.ts';
import { loadRegistry } from '../registry/load-registry.ts';
import { loadActiveBundle } from '../registry/policy-revisions.ts';
import type { Registry } from '../registry/registry.ts';
import { readRegistry } from '../registry/registry-file.ts';
import type { Database } from '../storage/database.ts';
import { type CommandIo, type ExitCode, parseArguments, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

/** The revision of a registry that was read from files. */
const UNNUMBERED = 0;

type Question = {
  readonly agent: string;
  readonly audience: string;
  /** Null: the API's default scopes. */
  readonly scopes: readonly string[] | null;
  readonly roles: readonly string[];
  readonly keyBound: boolean;
  readonly credential: 'secret' | 'certificate';
};

type Basis = { readonly registry: Registry; readonly bundle: Uint8Array };

/** Registry and policy: from files where they are named, else those in force in the database. */
const openBasis = async (
  files: { readonly registry: readonly string[]; readonly policy: string | undefined },
  io: CommandIo,
): Promise<Basis> => {
  const fromFiles = {
    registry:
      files.registry.length > 0 ? buildRegistry(UNNUMBERED, await readRegistry(files.registry)) : undefined,
    bundle: files.policy === undefined ? undefined : await readFile(files.policy),
  };
  const { registry, bundle } = fromFiles;
  if (registry !== undefined && bundle !== undefined) return { registry, bundle };
  return withDatabase(io, async (database) => ({
    registry: registry ?? (await loadRegistry(database)),
    bundle: bundle ?? (await bundleInForce(database)),
  }));
};

const bundleInForce = async (database: Database): Promise<Uint8Array> => {
  const active = await loadActiveBundle(database);
  if (active === null) throw new Error('no policy is in force: activate one, or name a bundle with --policy');
  return active.bundle;
};

type Asked = { readonly input: PolicyInput; readonly owners: readonly string[] };

/** The question that an exchange would put to policy, or the reason for which it would not come so far. */
const questionOf = (registry: Registry, question: Question): Asked | { readonly reason: Reason } => {
  const agent = registry.agents.get(question.agent);
  if (agent === undefined) return { reason: 'agent_unknown' };
  if (!agent.enabled) return { reason: 'agent_disabled' };
  const { value, reason } = checkTarget(registry, agent, {
    subjectToken: '',
    claimedClientId: null,
    audience: question.audience,
    scopes: question.scopes,
    issuedTokenType: '',
    requestId: null,
    justification: null,
    requestedSeconds: null,
    authorizationDetails: [],
    proofKey: null,
  });
  if (value === undefined) return { reason };
  const { audience, environment, sensitivity } = value.resource;
  return {
    input: {
      now: Math.floor(Date.now() / 1000),
      agent: { id: agent.id, environment: agent.environment },
      workload: { ...agent.workload, credential: question.credential, roles: question.roles },
      resource: { audience, environment, sensitivity },
      scopes: value.asked.scopes,
      authorization_details: [],
      key_bound: question.keyBound,
    },
    owners: [...agent.owners, ...agent.sponsors].map(({ tenant, object }) => `${tenant}/${object}`),
  };
};

const refusal = (question: Question, reason: Reason) => ({
  agent: question.agent,
  audience: question.audience,
  refused: { reason, ...meaningOf(reason) },
});

const refusalText = (question: Question, reason: Reason): string => {
  const { error, description } = meaningOf(reason);
  return `${question.agent} asks ${question.audience}\nREFUSED by the registry, before policy: ${error} (${reason})\n  told to the agent: ${description}\n`;
};

const explanationJson = ({ input, explanation, owners }: Explained, revision: string) => {
  const { verdict, rules } = explanation;
  return {
    agent: input.agent.id,
    resource: input.resource,
    scopes: input.scopes,
    decision: verdict.decision,
    rule: verdict.rule,
    public_reason: verdict.publicReason,
    internal_reason: verdict.internalReason,
    token_seconds: verdict.tokenSeconds,
    grant_seconds: verdict.grantSeconds,
    max_tokens: verdict.maxTokens,
    denial_hold_seconds: verdict.denialHoldSeconds,
    approval: verdict.approval && {
      groups: verdict.approval.groups,
      required_groups: verdict.approval.requiredGroups,
      quorum: verdict.approval.quorum,
      deny_quorum: verdict.approval.denyQuorum,
      sign_in_max_age_seconds: verdict.approval.signInSeconds,
      authentication_contexts: verdict.approval.authenticationContexts,
      pending_seconds: verdict.approval.pendingSeconds,
      pickup_seconds: verdict.approval.pickupSeconds,
      excluded_owners: owners,
    },
    rules: rules.map(({ scope, rule, unmet }) => ({ scope, rule: rule.id, decision: rule.decision, unmet })),
    policy_revision: revision,
  };
};

const parseQuestion = (args: readonly string[]) => {
  const { values } = parseArguments(args, {
    options: {
      agent: { type: 'string' },
      audience: { type: 'string' },
      scope: { type: 'string' },
      role: { type: 'string', multiple: true },
      'key-bound': { type: 'boolean' },
      'client-secret': { type: 'boolean' },
      registry: { type: 'string', multiple: true },
      policy: { type: 'string' },
      json: { type: 'boolean' },
    },
  });
  const { agent, audience } = values;
  if (!agent || !audience) throw new UsageError('--agent and --audience are needed');
  const scopes = [...new Set((values.scope ?? '').split(' '))].filter((scope) => scope !== '').sort();
  const question: Question = {
    agent,
    audience,
    scopes: scopes.length === 0 ? null : scopes,
    roles: values.role ?? [],
    keyBound: values['key-bound'] ?? false,
    credential: values['client-secret'] ? 'secret' : 'certificate',
  };
  return {
    question,
    files: { registry: values.registry ?? [], policy: values.policy },
    json: values.json ?? false,
  };
};

/** Explains on the command line. Exit code 0 whatever the answer is: a denial is an answer. */
export const explainPolicy = async (args: readonly string[], io: CommandIo): Promise<ExitCode> => {
  const { question, files, json } = parseQuestion(args);
  const { registry, bundle: bytes } = await openBasis(files, io);
  const bundle = await readBundle(bytes);
  const asked = questionOf(registry, question);
  if ('reason' in asked) {
    io.write(
      json ? `${JSON.stringify(refusal(question, asked.reason))}\n` : refusalText(question, asked.reason),
    );
    return 0;
  }
  const explained = { ...asked, explanation: await explain(bundle, asked.input) };
  io.write(
    json
      ? `${JSON.stringify(explanationJson(explained, bundle.revision))}\n`
      : `${[...explanationText(explained), `policy ${bundle.revision}`].join('\n')}\n`,
  );
  return 0;
};
