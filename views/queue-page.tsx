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
import { QueueFilterForm } from './queue-filter-form.tsx';
import { Scopes } from './scopes.tsx';
import { VisibleText } from './visible-text.tsx';
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
  /** Those who voted, each with the reason given. */
  readonly decidedBy: readonly { readonly name: string; readonly reason: string }[];
  /** What this person has to do with it, beyond being eligible. */
  readonly standing: 'may_decide' | 'has_voted' | 'owns_agent';
};

/** As typed; empty: no filter. */
export type QueueFilters = {
  readonly agent: string;
  readonly api: string;
  readonly environment: string;
  readonly sensitivity: string;
  /** Of decided requests only, as all that follows. */
  readonly outcome: string;
  readonly approver: string;
  readonly from: string;
  readonly to: string;
};

export type QueueModel = {
  readonly show: 'waiting' | 'decided';
  readonly filters: QueueFilters;
  /** What is wrong with a filter, by its name. */
  readonly problems: Partial<Readonly<Record<keyof QueueFilters, string>>>;
  readonly items: readonly QueueItem[];
  readonly now: Date;
  /** Address of the next page, if there is more. */
  readonly next: string | null;
  /** False on a further page: then this list is not the whole. */
  readonly first: boolean;
};

/** A reason in a row: enough to recognise it; the request's own page has it whole. */
const REASON_LENGTH = 160;

const clipped = (reason: string): string =>
  reason.length <= REASON_LENGTH ? reason : `${reason.slice(0, REASON_LENGTH).toWellFormed()}…`;

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
  <>
    <p class="row-facts">
      <StateBadge state={item.state} />
      {item.decidedAt !== null && <Moment time={item.decidedAt} now={now} />}
      {item.decidedBy.length > 0 && <span>by {list(item.decidedBy.map(({ name }) => name))}</span>}
    </p>
    {item.decidedBy.map(({ reason }) => (
      <p class="row-reason">
        <VisibleText text={clipped(reason)} />
      </p>
    ))}
  </>
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
  const whole = model.next === null && model.first;
  const more = `${whole ? '' : ' on this page'}${isFiltered(model.filters) ? ' with this filter' : ''}`;
  if (open === 0) return `Nothing waits for you${more}.`;
  return `${open} ${open === 1 ? 'request waits' : 'requests wait'} for you${more}.`;
};

const NothingFound = ({ model }: { model: QueueModel }): JSX.Element => (
  <div class="empty">
    <p class="empty-title">Nothing found</p>
    <p>
      {Object.keys(model.problems).length > 0
        ? 'Correct the filter above to look for some.'
        : 'No request in this list matches the filter.'}
    </p>
  </div>
);

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

const isFiltered = (filters: QueueFilters): boolean => Object.values(filters).some((value) => value !== '');

/** The list itself, which htmx refreshes. */
export const Queue = ({ model }: { model: QueueModel }): JSX.Element => (
  <>
    <p class="count" role="status">
      {model.show === 'waiting' ? countWaiting(model) : 'Approved and denied requests, newest first.'}
    </p>
    {model.items.length === 0 ? (
      isFiltered(model.filters) ? (
        <NothingFound model={model} />
      ) : (
        <Empty show={model.show} />
      )
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

/** Told where they work: `assets/keys.js` listens only while the box is ticked (WCAG 2.1.4). */
const KeyNote = ({ show }: Pick<QueueModel, 'show'>): JSX.Element => (
  <p class="keys">
    <label>
      <input type="checkbox" id="keys" defaultChecked /> Keys:
    </label>{' '}
    <kbd>j</kbd> next, <kbd>k</kbd> previous, <kbd>o</kbd> or <kbd>Enter</kbd> open
    {show === 'waiting' && (
      <>
        , <kbd>a</kbd> open and give a reason
      </>
    )}
  </p>
);

/** How often an open queue asks whether anything changed. */
const REFRESH_SECONDS = 4;

export const QueuePage = (props: {
  page: PageContext;
  model: QueueModel;
  /** Address of this very list and tag of its content; null: nothing to refresh. */
  live: { href: string; tag: string } | null;
}): JSX.Element => {
  const { page, model, live } = props;
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
      <QueueFilterForm model={model} />
      {live === null ? (
        <Queue model={model} />
      ) : (
        <LivePart id="queue" nonce={page.nonce} everySeconds={REFRESH_SECONDS} {...live}>
          <Queue model={model} />
        </LivePart>
      )}
      <KeyNote show={model.show} />
    </Layout>
  );
};
