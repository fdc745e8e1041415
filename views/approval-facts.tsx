/** What Countersign knows by itself: verified by signature, registered by administrators, or decided by policy. */
import type { ComponentChildren, JSX } from 'preact';
import {
  type Environment,
  EnvironmentBadge,
  ExactTime,
  type Sensitivity,
  SensitivityBadge,
} from './badges.tsx';
import { Scopes } from './scopes.tsx';
import { VisibleText } from './visible-text.tsx';
import { list } from './words.ts';

export type ApprovalFacts = {
  readonly agent: {
    readonly id: string;
    readonly name: string;
    /** Null: the agent is no longer in the registry. */
    readonly description: string | null;
    readonly enabled: boolean;
    readonly owners: readonly string[];
    readonly sponsors: readonly string[];
  };
  readonly workload: {
    readonly tenantId: string;
    readonly objectId: string;
    readonly applicationId: string;
    readonly credential: 'none' | 'secret' | 'certificate';
    readonly roles: readonly string[];
    readonly parentApplicationId: string | null;
    readonly facets: { readonly actor: readonly number[]; readonly subject: readonly number[] } | null;
    readonly assertionIssuedAt: Date;
  };
  readonly resource: {
    readonly audience: string;
    readonly name: string;
    /** Null: the API is no longer in the registry. */
    readonly description: string | null;
    readonly environment: Environment | null;
    readonly sensitivity: Sensitivity | null;
  };
  /** Each action with what the registry says it does; null: no longer registered. */
  readonly actions: readonly { readonly scope: string; readonly words: string | null }[];
  /** What the agent asked for as well, and an approver left out. */
  readonly leftOut: readonly string[];
  /** RFC 9396 details as JSON: their shape is checked, their values are the agent's. Signed, so shown whole, however long. */
  readonly details: readonly string[];
  readonly policy: {
    readonly rule: string;
    readonly matched: readonly string[];
    readonly reason: string;
    readonly groups: readonly string[];
    /** Of the groups, those of which somebody must approve. */
    readonly requiredGroups: readonly string[];
    readonly bundleRevision: string;
    /** Whether another bundle is in force by now. */
    readonly changedSince: boolean;
  };
  readonly termsDigest: string;
};

const CREDENTIALS = {
  none: 'no credential of its own',
  secret: 'a client secret',
  certificate: 'a certificate, federated credential or managed identity',
} as const;

const Fact = ({ name, children }: { name: string; children: ComponentChildren }): JSX.Element => (
  <div class="fact">
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

const Group = ({ title, children }: { title: string; children: ComponentChildren }): JSX.Element => (
  <div class="fact-group">
    <h3>{title}</h3>
    <dl>{children}</dl>
  </div>
);

const What = ({ facts }: { facts: ApprovalFacts }): JSX.Element => (
  <Group title="What">
    <Fact name={facts.actions.length === 1 ? 'Action' : 'Actions'}>
      {facts.actions.map(({ scope, words }) => (
        <p>
          <code>{scope}</code> {words ?? 'This action is no longer registered.'}
        </p>
      ))}
      {facts.leftOut.length > 0 && (
        <p class="note">
          Also asked for, and left out: <Scopes scopes={facts.leftOut} />
        </p>
      )}
    </Fact>
    <Fact name="API">
      <p>
        <b>{facts.resource.name}</b> <code>{facts.resource.audience}</code>
      </p>
      <p class="note">{facts.resource.description ?? 'This API is no longer registered.'}</p>
    </Fact>
    <Fact name="Where">
      {facts.resource.environment !== null && <EnvironmentBadge environment={facts.resource.environment} />}{' '}
      {facts.resource.sensitivity !== null && <SensitivityBadge sensitivity={facts.resource.sensitivity} />}
    </Fact>
    {facts.details.length > 0 && (
      <Fact name="Details">
        <p class="note">Their form is checked against the registry; the values are the agent’s.</p>
        {facts.details.map((detail) => (
          <pre>
            <VisibleText text={detail} maxBytes={Number.POSITIVE_INFINITY} />
          </pre>
        ))}
      </Fact>
    )}
  </Group>
);

/** The facets that Entra documents; others are shown as numbers. */
const FACETS: Readonly<Record<number, string>> = { 11: 'agent identity', 13: 'agent user' };

const facetWords = (facets: readonly number[]): string =>
  list(facets.map((facet) => (FACETS[facet] === undefined ? String(facet) : `${FACETS[facet]} (${facet})`)));

const Labels = ({ workload }: Pick<ApprovalFacts, 'workload'>): JSX.Element | null => {
  const { parentApplicationId, facets } = workload;
  if (parentApplicationId === null && facets === null) return null;
  return (
    <Fact name="Entra’s labels">
      {parentApplicationId !== null && (
        <p>
          blueprint (parent application) <code>{parentApplicationId}</code>
        </p>
      )}
      {facets !== null && facets.actor.length > 0 && <p>acts as: {facetWords(facets.actor)}</p>}
      {facets !== null && facets.subject.length > 0 && <p>subject: {facetWords(facets.subject)}</p>}
      <p class="note">Nothing was decided by them.</p>
    </Fact>
  );
};

const Who = ({ agent, workload }: ApprovalFacts): JSX.Element => (
  <Group title="Who">
    <Fact name="Agent">
      <p>
        <b>{agent.name}</b> <code>{agent.id}</code>
      </p>
      <p class="note">{agent.description ?? 'This agent is no longer registered.'}</p>
      {!agent.enabled && <p class="caution">Not enabled now: an approval would give it nothing.</p>}
    </Fact>
    <Fact name={agent.owners.length === 1 ? 'Owner' : 'Owners'}>{list(agent.owners)}</Fact>
    {agent.sponsors.length > 0 && (
      <Fact name={agent.sponsors.length === 1 ? 'Sponsor' : 'Sponsors'}>{list(agent.sponsors)}</Fact>
    )}
    <Fact name="Proved by">
      <p>
        an Entra assertion, signature checked, with {CREDENTIALS[workload.credential]}, issued{' '}
        <ExactTime time={workload.assertionIssuedAt} />
      </p>
    </Fact>
    <Fact name="Entra ids">
      <p>
        object <code>{workload.objectId}</code>
      </p>
      <p>
        application <code>{workload.applicationId}</code>
      </p>
      <p>
        tenant <code>{workload.tenantId}</code>
      </p>
    </Fact>
    <Labels workload={workload} />
    {workload.roles.length > 0 && <Fact name="App roles">{list(workload.roles)}</Fact>}
  </Group>
);

const Why = ({ policy, termsDigest }: ApprovalFacts): JSX.Element => (
  <Group title="Why it needs you">
    <Fact name="Reason">{policy.reason}</Fact>
    <Fact name="Rule">
      <p>
        <code>{policy.rule}</code>
        {policy.matched.length > 1 && <span class="note"> the strictest of {list(policy.matched)}</span>}
      </p>
      {policy.changedSince && (
        <p class="note">Policy has changed since; it is asked again before any token is issued.</p>
      )}
    </Fact>
    <Fact name="Who may decide">
      {list(
        policy.groups.map((group) => `Approver.${group}`),
        'or',
      )}
      {policy.requiredGroups.length > 0 && (
        <p class="note">
          One person each of {list(policy.requiredGroups.map((group) => `Approver.${group}`))} must approve.
        </p>
      )}
    </Fact>
    <Fact name="Policy bundle">
      <code>{policy.bundleRevision}</code>
    </Fact>
    <Fact name="Terms digest">
      <code>{termsDigest}</code>
    </Fact>
  </Group>
);

export const Facts = ({ facts }: { facts: ApprovalFacts }): JSX.Element => (
  <section class="card" aria-labelledby="facts">
    <h2 id="facts">Verified facts</h2>
    <p class="note">Checked by Countersign. Nothing here is the agent’s own word unless it says so.</p>
    <What facts={facts} />
    <Who {...facts} />
    <Why {...facts} />
  </section>
);
