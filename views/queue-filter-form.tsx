/** The queue's filters: a plain GET form, so that a filtered list has an address. */
import type { JSX } from 'preact';
import type { QueueModel } from './queue-page.tsx';

const CHOICES = {
  environment: ['dev', 'test', 'prod'],
  sensitivity: ['critical', 'high', 'moderate', 'low'],
  outcome: ['approved', 'denied'],
} as const;

const Text = (props: { name: 'agent' | 'api'; label: string; model: QueueModel }): JSX.Element => (
  <label>
    {props.label}
    <input
      type="text"
      name={props.name}
      value={props.model.filters[props.name]}
      autoComplete="off"
      spellcheck={false}
      maxLength={100}
    />
  </label>
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
      <Text name="agent" label="Agent" model={model} />
      <Text name="api" label="API" model={model} />
      <Choice name="environment" label="Environment" model={model} />
      <Choice name="sensitivity" label="Sensitivity" model={model} />
      {model.show === 'decided' && <Choice name="outcome" label="Decision" model={model} />}
      <div class="filter-actions">
        <button type="submit">Filter</button>
        <a href={model.show === 'decided' ? '/approvals?show=decided' : '/approvals'}>Clear</a>
      </div>
    </form>
  </details>
);
