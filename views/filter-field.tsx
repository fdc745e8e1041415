/** One field of a form that filters a list, with what is wrong with it. */
import type { JSX } from 'preact';

/** The filters as they were typed, and what is wrong with one, by their names. */
type Filtered<Name extends string> = {
  readonly filters: Readonly<Record<Name, string>>;
  readonly problems: Partial<Readonly<Record<Name, string>>>;
};

export const FilterField = <Name extends string>(props: {
  readonly name: Name;
  readonly label: string;
  readonly model: Filtered<Name>;
  readonly type?: 'text' | 'date';
  readonly placeholder?: string;
  readonly maxLength?: number;
  /** Id of a list of values to choose from. */
  readonly options?: string;
}): JSX.Element => {
  const problem = props.model.problems[props.name];
  return (
    <label>
      {props.label}
      <input
        type={props.type ?? 'text'}
        name={props.name}
        value={props.model.filters[props.name]}
        placeholder={props.placeholder}
        maxLength={props.maxLength}
        list={props.options}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={problem === undefined ? undefined : 'true'}
        aria-describedby={problem === undefined ? undefined : `${props.name}-problem`}
      />
      {problem !== undefined && (
        <small class="problem" id={`${props.name}-problem`}>
          {problem}
        </small>
      )}
    </label>
  );
};
