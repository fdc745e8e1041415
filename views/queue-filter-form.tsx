/** The queue's filters: a plain GET form, so that a filtered list has an address. */
import type { JSX } from 'preact';
import { FilterField } from './filter-field.tsx';
import type { QueueModel } from './queue-page.tsx';

/** As much of a filter as is read. */
const FILTER_MAX_LENGTH = 100;

const CHOICES = {
  environment: ['dev', 'test', 'prod'],
  sensitivity: ['critical', 'high', 'moderate', 'low'],
  outcome: ['approved', 'denied'],
} as const;

/** A browser's own picker of days; text that is no day it would not show, to be corrected. */
const Day = (props: { name: 'from' | 'to'; label: string; model: QueueModel }): JSX.Element => (
  <FilterField {...props} type={props.model.problems[props.name] === undefined ? 'date' : 'text'} />
);

const Choice = (props: { name: keyof typeof CHOICES; label: string; model: QueueModel }): JSX.Element => (
  <label>
    {props.label}
    <select name={props.name}>
      <option value="">Any</option>
      {CHOICES[props.name].map((value) => (
        <option value={value} selected={value === props.model.filters[props.name]}>
          {value}
        </option>
      ))}
    </select>
  </label>
);

/** Closed until it is wanted: what waits stands first on a phone too. */
export const QueueFilterForm = ({ model }: { model: QueueModel }): JSX.Element => (
  <details class="queue-filter" open={Object.values(model.filters).some((value) => value !== '')}>
    <summary>Filter</summary>
    <form class="filters" method="get" action="/approvals" aria-label="Filter the requests">
      {model.show === 'decided' && <input type="hidden" name="show" value="decided" />}
      <FilterField name="agent" label="Agent" model={model} maxLength={FILTER_MAX_LENGTH} />
      <FilterField name="api" label="API" model={model} maxLength={FILTER_MAX_LENGTH} />
      <Choice name="environment" label="Environment" model={model} />
      <Choice name="sensitivity" label="Sensitivity" model={model} />
      {model.show === 'decided' && (
        <>
          <Choice name="outcome" label="Decision" model={model} />
          <FilterField
            name="approver"
            label="Decided by"
            model={model}
            placeholder="Name or account"
            maxLength={FILTER_MAX_LENGTH}
          />
          <Day name="from" label="First day (UTC)" model={model} />
          <Day name="to" label="Last day (UTC)" model={model} />
        </>
      )}
      <div class="filter-actions">
        <button type="submit">Filter</button>
        <a href={model.show === 'decided' ? '/approvals?show=decided' : '/approvals'}>Clear</a>
      </div>
    </form>
  </details>
);
