/** Everything that happened to one request, in the order of the trail, from the assertion to the last use. */
import type { JSX } from 'preact';
import {
  type Environment,
  EnvironmentBadge,
  type RequestState,
  type Sensitivity,
  SensitivityBadge,
  StateBadge,
} from './badges.tsx';
import { DeedForm, type DeedModel } from './deed-form.tsx';
import { AllFacts, type EventModel, LeadingFacts } from './event-facts.tsx';
import { HeldDenial, type HeldDenialModel } from './held-denial.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { LivePart } from './live-part.tsx';
import { RefusalNote } from './refusal-note.tsx';
import { Scopes } from './scopes.tsx';
import { count, gap } from './words.ts';

export type TraceModel = {
  readonly requestId: string;
  /** Null: it was refused before one was opened; the events tell. */
  readonly request: {
    readonly agent: string;
    readonly scopes: readonly string[];
    readonly resource: string;
    readonly environment: Environment | null;
    readonly sensitivity: Sensitivity | null;
    readonly state: RequestState;
  } | null;
  /** What was refused to whom before a request was opened, as far as the registry knows all of it. */
  readonly refused: Pick<NonNullable<TraceModel['request']>, 'agent' | 'scopes' | 'resource'> | null;
  readonly events: readonly EventModel[];
};

const DAY_LENGTH = 10;

const day = (time: Date): string => time.toISOString().slice(0, DAY_LENGTH);
const clockTime = (time: Date): string => time.toISOString().slice(DAY_LENGTH + 1, -1);

const Step = ({ event, before }: { event: EventModel; before: EventModel | undefined }): JSX.Element => (
  <li class={`step tone-${event.tone}`}>
    <p class="step-time">
      <time dateTime={event.recordedAt.toISOString()}>{clockTime(event.recordedAt)}</time>
      {before !== undefined && (
        <span class="step-gap">{gap(event.recordedAt.getTime() - before.recordedAt.getTime())}</span>
      )}
    </p>
    <div class="step-body">
      <h2>
        <code>{event.name}</code>
      </h2>
      <RefusalNote refusal={event.refusal} repeats={event.repeats} />
      <LeadingFacts event={event} />
      <AllFacts event={event} />
    </div>
  </li>
);

const Title = ({ request, refused }: TraceModel): JSX.Element => {
  const asked = request ?? refused;
  return (
    <h1>
      {asked === null ? (
        'Refused before a request was opened'
      ) : (
        <>
          {asked.agent} <span class="asks-for">{request === null ? 'was refused' : 'asks for'}</span>{' '}
          <Scopes scopes={asked.scopes} /> <span class="asks-for">on</span> {asked.resource}
        </>
      )}
    </h1>
  );
};

/** The head and the events; the live part of the page. */
export const Trace = ({ model }: { model: TraceModel }): JSX.Element => {
  const first = model.events[0];
  const last = model.events.at(-1);
  return (
    <>
      {model.request !== null && (
        <p class="badges">
          <StateBadge state={model.request.state} />
          {model.request.environment !== null && <EnvironmentBadge environment={model.request.environment} />}
          {model.request.sensitivity !== null && <SensitivityBadge sensitivity={model.request.sensitivity} />}
        </p>
      )}
      {first !== undefined && last !== undefined && (
        <p class="note">
          {count(model.events.length, 'event')} on {day(first.recordedAt)}
          {day(last.recordedAt) !== day(first.recordedAt) && ` to ${day(last.recordedAt)}`}
          {last.recordedAt > first.recordedAt &&
            `, over ${gap(last.recordedAt.getTime() - first.recordedAt.getTime()).slice(1)}`}
          .
        </p>
      )}
      <ol class="steps">
        {model.events.map((event, index) => (
          <Step event={event} before={model.events[index - 1]} />
        ))}
      </ol>
    </>
  );
};

/** How often an open trace asks for new events. */
const REFRESH_SECONDS = 3;

/** What stands above the events, and is left alone while they refresh themselves: somebody may be writing there. */
export type AboveTrace = {
  /** The denial of this request, while it holds. */
  readonly denial: HeldDenialModel | null;
  /** What ends the grant; null: there is none to end, or this person may not. */
  readonly deed: DeedModel | null;
  /** Said above everything when something was not done. */
  readonly notice: string | null;
};

const EndGrant = ({ deed }: { deed: DeedModel }): JSX.Element => (
  <details class="card" open={deed.problem !== null}>
    <summary>End the grant</summary>
    <p>All its tokens are revoked, and the agent’s next attempt is denied.</p>
    <DeedForm id="deed" model={deed} />
  </details>
);

export const TracePage = (props: {
  page: PageContext;
  model: TraceModel;
  above: AboveTrace;
  tag: string;
}): JSX.Element => {
  const { page, model, above, tag } = props;
  return (
    <Layout page={page} title={`Trace ${model.requestId}`} section="audit">
      <p class="crumbs">
        {page.viewer?.mayReadTrail ? (
          <a href={`/audit?request=${encodeURIComponent(model.requestId)}`}>Audit trail</a>
        ) : (
          <a href={`/approvals/${model.requestId}`}>Approval</a>
        )}{' '}
        <span aria-hidden="true">/</span> <code>{model.requestId}</code>
      </p>
      {above.notice !== null && (
        <p class="notice" role="alert">
          {above.notice}
        </p>
      )}
      <header class="request-head">
        <Title {...model} />
      </header>
      <div class="above-trace">
        {above.denial !== null && <HeldDenial model={above.denial} />}
        {above.deed !== null && <EndGrant deed={above.deed} />}
      </div>
      <LivePart
        id="trace"
        href={`/requests/${model.requestId}`}
        nonce={page.nonce}
        tag={tag}
        everySeconds={REFRESH_SECONDS}
      >
        <Trace model={model} />
      </LivePart>
    </Layout>
  );
};
