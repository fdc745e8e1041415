/**
 * One request, as an approver reads it. The order is a safeguard: what was verified first, what would happen, and
 * only then what the agent says of itself.
 */
import type { JSX } from 'preact';
import { AgentWords } from './agent-words.tsx';
import { type ApprovalFacts, Facts } from './approval-facts.tsx';
import { EnvironmentBadge, SensitivityBadge } from './badges.tsx';
import { type ConsequenceModel, Consequences } from './consequences.tsx';
import { type DecisionModel, DecisionPanel } from './decision-panel.tsx';
import { HeldDenial, type HeldDenialModel } from './held-denial.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { LivePart } from './live-part.tsx';
import { Scopes } from './scopes.tsx';
import { Standing, type StandingModel } from './standing.tsx';
import { Unusual, type UnusualFact } from './unusual.tsx';
import { list } from './words.ts';

export type ApprovalModel = {
  readonly requestId: string;
  readonly facts: ApprovalFacts;
  readonly consequences: ConsequenceModel;
  readonly standing: StandingModel;
  /** What differs from what the agent did before. */
  readonly unusual: readonly UnusualFact[];
  readonly words: string | null;
  readonly decision: DecisionModel;
  /** The denial of this request, while it holds. */
  readonly denial: HeldDenialModel | null;
  /** Said above everything when a vote did not count. */
  readonly notice: string | null;
};

/** How often an open page asks whether the request was decided, collected or closed meanwhile. */
const REFRESH_SECONDS = 5;

const Title = ({ facts }: { facts: ApprovalFacts }): JSX.Element => (
  <h1>
    {facts.agent.name} <span class="asks-for">asks for</span>{' '}
    <Scopes scopes={facts.actions.map(({ scope }) => scope)} /> <span class="asks-for">on</span>{' '}
    {facts.resource.name}
  </h1>
);

export const ApprovalPage = (props: {
  page: PageContext;
  model: ApprovalModel;
  tag: string;
}): JSX.Element => {
  const { page, model, tag } = props;
  const { environment, sensitivity } = model.facts.resource;
  return (
    <Layout
      page={page}
      title={`${model.facts.agent.name}: ${list(model.consequences.scopes)}`}
      section="approvals"
    >
      <p class="crumbs">
        <a href="/approvals">Approvals</a> <span aria-hidden="true">/</span> <code>{model.requestId}</code>
      </p>
      {model.notice !== null && (
        <p class="notice" role="alert">
          {model.notice}
        </p>
      )}
      <header class="request-head">
        <Title facts={model.facts} />
        <p class="badges">
          {environment !== null && <EnvironmentBadge environment={environment} />}
          {sensitivity !== null && <SensitivityBadge sensitivity={sensitivity} />}
        </p>
      </header>
      <LivePart
        id="standing"
        href={`/approvals/${model.requestId}`}
        nonce={page.nonce}
        tag={tag}
        everySeconds={REFRESH_SECONDS}
      >
        <Standing standing={model.standing} />
      </LivePart>
      <div class="split">
        <div class="split-main">
          {model.standing.state === 'pending' && (
            <Consequences model={model.consequences} open={model.decision.kind !== 'closed'} />
          )}
          <Unusual facts={model.unusual} />
          <Facts facts={model.facts} />
          <AgentWords words={model.words} />
        </div>
        <div class="split-side">
          <DecisionPanel model={model.decision} />
          {model.denial !== null && <HeldDenial model={model.denial} />}
          {model.denial === null && model.standing.state === 'denied' && (
            <section class="decision" aria-labelledby="denial-over">
              <h2 id="denial-over">The denial holds no more</h2>
              <p>It was lifted, or its time is over. The agent may ask anew.</p>
            </section>
          )}
          <p class="trace-link">
            <a href={`/requests/${model.requestId}`}>See the whole trace</a>
          </p>
        </div>
      </div>
    </Layout>
  );
};
