/** The audit trail, newest first, filtered by plain links and one form that works without script. */
import type { JSX } from 'preact';
import { AllFacts, type EventModel, LeadingFacts } from './event-facts.tsx';
import { FilterField } from './filter-field.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { RefusalNote } from './refusal-note.tsx';

/** The filters as they were typed. */
export type AuditFilters = {
  readonly agent: string;
  readonly request: string;
  readonly event: string;
  /** A code of the table of reasons, or `any`: whatever was refused. */
  readonly reason: string;
  readonly from: string;
  readonly to: string;
};

export type AuditModel = {
  readonly filters: AuditFilters;
  /** What is wrong with a filter, by its name. */
  readonly problems: Partial<Readonly<Record<keyof AuditFilters, string>>>;
  /** Every event name there is, to choose from. */
  readonly eventNames: readonly string[];
  /** Every reason there is, by what it is about. */
  readonly reasonGroups: readonly { readonly title: string; readonly codes: readonly string[] }[];
  /** The same filters for everything, and for refusals alone. */
  readonly everything: string;
  readonly refusals: string;
  readonly events: readonly EventModel[];
  readonly next: string | null;
};

const ReasonFilter = ({ model }: { model: AuditModel }): JSX.Element => {
  const chosen = model.filters.reason;
  const option = (value: string, name: string) => (
    <option value={value} selected={value === chosen}>
      {name}
    </option>
  );
  return (
    <label>
      Reason
      <select name="reason">
        {option('', 'All events')}
        {option('any', 'Any refusal')}
        {model.reasonGroups.map(({ title, codes }) => (
          <optgroup label={title}>{codes.map((code) => option(code, code))}</optgroup>
        ))}
      </select>
      {model.problems.reason !== undefined && <small class="problem">{model.problems.reason}</small>}
    </label>
  );
};

const Filters = ({ model }: { model: AuditModel }): JSX.Element => (
  <form class="filters" method="get" action="/audit" aria-label="Filter the trail">
    <FilterField name="agent" label="Agent" model={model} />
    <FilterField name="request" label="Request" model={model} placeholder="areq_…" />
    <FilterField name="event" label="Event" model={model} options="event-names" />
    <ReasonFilter model={model} />
    <FilterField name="from" label="From (UTC)" model={model} placeholder="08:00" />
    <FilterField name="to" label="Before (UTC)" model={model} placeholder="09:00" />
    <datalist id="event-names">
      {model.eventNames.map((name) => (
        <option value={name} />
      ))}
    </datalist>
    <div class="filter-actions">
      <button type="submit">Filter</button>
      <a href="/audit">Clear</a>
    </div>
  </form>
);

const Entry = ({ event, brief }: { event: EventModel; brief: boolean }): JSX.Element => (
  <li class={`entry tone-${event.tone}`}>
    <p class="entry-time">
      <time dateTime={event.recordedAt.toISOString()}>
        {event.recordedAt.toISOString().slice(0, -1).replace('T', ' ')}
      </time>
    </p>
    <div class="entry-body">
      <p class="entry-head">
        <code class="event-name">{event.name}</code>
        {event.agent !== null && (
          <a href={`/audit?agent=${encodeURIComponent(event.agent)}`}>{event.agent}</a>
        )}
        {event.requestId !== null && (
          <a class="request-link" href={`/requests/${encodeURIComponent(event.requestId)}`}>
            {event.requestId}
          </a>
        )}
      </p>
      <RefusalNote refusal={event.refusal} repeats={event.repeats} brief={brief} />
      <LeadingFacts event={event} />
      <AllFacts event={event} />
    </div>
  </li>
);

/** Whether a newer event on the page has the same reason: its advice is read once. */
const isToldAbove = (events: readonly EventModel[], index: number): boolean => {
  const code = events[index]?.refusal?.code;
  return code !== undefined && events.findIndex(({ refusal }) => refusal?.code === code) < index;
};

const View = (props: { href: string; name: string; current: boolean }): JSX.Element => (
  <li>
    <a href={props.href} aria-current={props.current ? 'true' : undefined}>
      {props.name}
    </a>
  </li>
);

export const AuditPage = ({ page, model }: { page: PageContext; model: AuditModel }): JSX.Element => (
  <Layout page={page} title="Audit" section="audit">
    <header class="page-head">
      <h1>Audit trail</h1>
      <nav class="views" aria-label="Views of the trail">
        <ul>
          <View href={model.everything} name="Everything" current={model.filters.reason === ''} />
          <View href={model.refusals} name="Refusals" current={model.filters.reason !== ''} />
          <View href="/reasons" name="What reasons mean" current={false} />
        </ul>
      </nav>
    </header>
    <Filters model={model} />
    {model.events.length === 0 ? (
      <div class="empty">
        <p class="empty-title">No events</p>
        <p>
          {Object.keys(model.problems).length > 0
            ? 'Correct the filter above to look for some.'
            : 'Nothing in the trail matches these filters.'}
        </p>
      </div>
    ) : (
      <ol class="entries" reversed>
        {model.events.map((event, index) => (
          <Entry event={event} brief={isToldAbove(model.events, index)} />
        ))}
      </ol>
    )}
    {model.next !== null && (
      <p class="more">
        <a href={model.next}>Older events</a>
      </p>
    )}
  </Layout>
);
