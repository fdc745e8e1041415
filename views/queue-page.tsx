/** The queue: what waits for this person, most urgent first, or what was decided. A row is understood at a glance. */
import type { JSX } from 'preact';
import {
  type Environment,
  EnvironmentBadge,
  Moment,
  type RequestState,
  type Sensitivity,
  SensitivityBadge,
  StateBadge,
} from './badges.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { LivePart } from './live-part.tsx';
import { Scopes } from './scopes.tsx';
import { duration, list } from './words.ts';

export type QueueItem = {
  readonly requestId: string;
  /** The registered name, or the id if the agent left the registry. */
  readonly agent: string;
  readonly scopes: readonly string[];
  /** The resource's registered name, or its audience. */
  readonly resource: string;
  readonly environment: Environment | null;
  readonly sensitivity: Sensitivity | null;
  readonly grantSeconds: number;
  readonly openedAt: Date;
  readonly expiresAt: Date;
  readonly approvals: number;
  readonly quorum: number;
  readonly state: RequestState;
  readonly decidedAt: Date | null;
  /** Names of those who voted. */
  readonly decidedBy: readonly string[];
  /** What this person has to do with it, beyond being eligible. */
  readonly standing: 'may_decide' | 'has_voted' | 'owns_agent';
};

export type QueueModel = {
  readonly show: 'waiting' | 'decided';
  readonly items: readonly QueueItem[];
  readonly now: Date;
  /** Address of the next page, if there is more. */
  readonly next: string | null;
  /** False on a further page: then this list is not the whole. */
  readonly first: boolean;
};

const STANDING_NOTES = {
  may_decide: null,
  has_voted: 'You have voted; others are needed.',
  owns_agent: 'You answer for this agent, so others decide.',
} as const;

const WaitingFacts = ({ item, now }: { item: QueueItem; now: Date }): JSX.Element => (
  <p class="row-facts">
    <span>
      for up to <b>{duration(item.grantSeconds)}</b>
    </span>
    <span>
      asked <Moment time={item.openedAt} now={now} />
    </span>
    <span>
      closes <Moment time={item.expiresAt} now={now} />
    </span>
    {item.quorum > 1 && (
      <span>
        {item.approvals} of {item.quorum} approvals
      </span>
    )}
  </p>
);

const DecidedFacts = ({ item, now }: { item: QueueItem; now: Date }): JSX.Element => (
  <p class="row-facts">
    <StateBadge state={item.state} />
    {item.decidedAt !== null && <Moment time={item.decidedAt} now={now} />}
    {item.decidedBy.length > 0 && <span>by {list(item.decidedBy)}</span>}
  </p>
);

const Row = ({ item, show, now }: { item: QueueItem; show: QueueModel['show']; now: Date }): JSX.Element => (
  <li class={`row sensitivity-edge-${item.sensitivity ?? 'unknown'}`}>
    <div class="row-text">
      <h2>
        <a id={`open-${item.requestId}`} href={`/approvals/${item.requestId}`}>
          {item.agent} <span class="asks-for">asks for</span> <Scopes scopes={item.scopes} />{' '}
          <span class="asks-for">on</span> {item.resource}
        </a>
      </h2>
      {show === 'waiting' ? <WaitingFacts item={item} now={now} /> : <DecidedFacts item={item} now={now} />}
      {show === 'waiting' && STANDING_NOTES[item.standing] !== null && (
        <p class="row-note">{STANDING_NOTES[item.standing]}</p>
      )}
    </div>
    <div class="row-badges">
      {item.environment !== null && <EnvironmentBadge environment={item.environment} />}
      {item.sensitivity !== null && <SensitivityBadge sensitivity={item.sensitivity} />}
    </div>
  </li>
);

const countWaiting = (model: QueueModel): string => {
  const open = model.items.filter((item) => item.standing === 'may_decide').length;
  const more = model.next === null && model.first ? '' : ' on this page';
  if (open === 0) return `Nothing waits for you${more}.`;
  return `${open} ${open === 1 ? 'request waits' : 'requests wait'} for you${more}.`;
};

const Empty = ({ show }: { show: QueueModel['show'] }): JSX.Element => (
  <div class="empty">
    <p class="empty-title">{show === 'waiting' ? 'All clear' : 'Nothing decided yet'}</p>
    <p>
      {show === 'waiting'
        ? 'When an agent asks for something that needs your approval, it appears here by itself.'
        : 'Requests that were approved or denied by you or your colleagues appear here.'}
    </p>
  </div>
);

/** The list itself, which htmx refreshes. */
export const Queue = ({ model }: { model: QueueModel }): JSX.Element => (
  <>
    <p class="count" role="status">
      {model.show === 'waiting' ? countWaiting(model) : 'Approved and denied requests, newest first.'}
    </p>
    {model.items.length === 0 ? (
      <Empty show={model.show} />
    ) : (
      <ul class="rows">
        {model.items.map((item) => (
          <Row item={item} show={model.show} now={model.now} />
        ))}
      </ul>
    )}
    {model.next !== null && (
      <p class="more">
        <a href={model.next}>Show more</a>
      </p>
    )}
  </>
);

const Tab = (props: { href: string; name: string; current: boolean }): JSX.Element => (
  <li>
    <a href={props.href} aria-current={props.current ? 'page' : undefined}>
      {props.name}
    </a>
  </li>
);

/** How often an open queue asks whether anything changed. */
const REFRESH_SECONDS = 4;

export const QueuePage = (props: {
  page: PageContext;
  model: QueueModel;
  /** Address of this very list. */
  href: string;
  tag: string;
}): JSX.Element => {
  const { page, model } = props;
  return (
    <Layout page={page} title="Approvals" section="approvals">
      <header class="page-head">
        <h1>Approvals</h1>
        <nav aria-label="Lists" class="links">
          <ul>
            <Tab href="/approvals" name="Waiting" current={model.show === 'waiting'} />
            <Tab href="/approvals?show=decided" name="Decided" current={model.show === 'decided'} />
          </ul>
        </nav>
      </header>
      <LivePart
        id="queue"
        href={props.href}
        nonce={page.nonce}
        tag={props.tag}
        everySeconds={REFRESH_SECONDS}
      >
        <Queue model={model} />
      </LivePart>
    </Layout>
  );
};
