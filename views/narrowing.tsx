/**
 * Where an approver leaves less of what was asked for. The form only asks for the page again (GET): the narrowed
 * terms are shown whole, and what is signed there is what is read there.
 */
import type { JSX } from 'preact';
import { VisibleText } from './visible-text.tsx';
import { duration } from './words.ts';

/** One list of a detail, of which the registry says that fewer items mean less. */
type ShortList = {
  readonly field: string;
  readonly items: readonly { readonly text: string; readonly kept: boolean }[];
};

export type NarrowingModel = {
  readonly requestId: string;
  readonly scopes: readonly { readonly scope: string; readonly kept: boolean }[];
  readonly details: readonly {
    readonly type: string;
    readonly kept: boolean;
    readonly lists: readonly ShortList[];
  }[];
  /** Choices of how long the grant lasts, seconds, the longest first; the first is what was asked for. */
  readonly durations: readonly number[];
  readonly grantSeconds: number;
  /** Choices of when the grant begins, seconds after the approval, the soonest first. */
  readonly starts: readonly number[];
  readonly startsAfterSeconds: number;
  readonly maxTokens: number | null;
  /** Most tokens that can be chosen; null: no limit was asked for. */
  readonly tokensAsked: number | null;
  /** The form as it was sent, if the page shows narrowed terms; else null. */
  readonly sent: string | null;
  /** Why the terms were not narrowed as the form asked. */
  readonly problem: string | null;
  /** Earlier approvals that stop counting if the narrowed terms are approved. */
  readonly voids: number;
};

const Kept = (props: { name: string; value: string; kept: boolean; text: string }): JSX.Element => (
  <label>
    <input type="checkbox" name={props.name} value={props.value} checked={props.kept} />
    <VisibleText text={props.text} />
  </label>
);

const Scopes = ({ scopes }: Pick<NarrowingModel, 'scopes'>): JSX.Element => (
  <fieldset>
    <legend>Actions</legend>
    {scopes.map(({ scope, kept }) => (
      <Kept name="keep" value={scope} kept={kept} text={scope} />
    ))}
  </fieldset>
);

const Details = ({ details }: Pick<NarrowingModel, 'details'>): JSX.Element => (
  <fieldset>
    <legend>Details</legend>
    {details.map(({ type, kept, lists }, index) => (
      <>
        <Kept name="detail" value={String(index)} kept={kept} text={`${index + 1}. ${type}`} />
        {lists.map(({ field, items }) => (
          <fieldset>
            <legend>
              {index + 1}. <VisibleText text={field} />
            </legend>
            {items.map((item, place) => (
              <Kept name={`item.${index}.${field}`} value={String(place)} kept={item.kept} text={item.text} />
            ))}
          </fieldset>
        ))}
      </>
    ))}
  </fieldset>
);

/** The controls, and what narrowing does to the votes before it. */
export const Narrowing = ({ model }: { model: NarrowingModel }): JSX.Element => (
  <details class="narrowing" open={model.sent !== null || model.problem !== null}>
    <summary>Allow less</summary>
    {model.problem !== null && (
      <p class="problem" role="alert">
        {model.problem}
      </p>
    )}
    <form method="get" action={`/approvals/${model.requestId}`}>
      <input type="hidden" name="narrow" value="1" />
      {model.scopes.length > 1 ? (
        <Scopes scopes={model.scopes} />
      ) : (
        model.scopes.map(({ scope }) => <input type="hidden" name="keep" value={scope} />)
      )}
      {model.details.length > 0 && <Details details={model.details} />}
      <label>
        For at most
        <select name="grant_seconds">
          {model.durations.map((seconds) => (
            <option value={String(seconds)} selected={seconds === model.grantSeconds}>
              {duration(seconds)}
            </option>
          ))}
        </select>
      </label>
      <label>
        Begins
        <select name="starts_after_seconds">
          {model.starts.map((seconds) => (
            <option value={String(seconds)} selected={seconds === model.startsAfterSeconds}>
              {seconds === 0 ? 'at once' : `${duration(seconds)} after the approval`}
            </option>
          ))}
        </select>
      </label>
      <label>
        Tokens at most
        <input
          type="number"
          name="max_tokens"
          min={1}
          max={model.tokensAsked ?? undefined}
          value={model.maxTokens ?? ''}
          aria-describedby="max-tokens-note"
        />
      </label>
      <p class="note" id="max-tokens-note">
        1 is single use. Empty leaves{' '}
        {model.tokensAsked === null ? 'no limit but time' : `${model.tokensAsked}`}.
      </p>
      <button type="submit" class="secondary">
        Show what is left
      </button>
    </form>
  </details>
);

/** Said above the vote on narrowed terms. */
export const NarrowedNote = ({ model }: { model: NarrowingModel }): JSX.Element | null =>
  model.sent === null ? null : (
    <p class="note" role="status">
      This page shows less than was asked for, as you chose. Nothing is decided yet.{' '}
      {model.voids > 0 &&
        `${model.voids === 1 ? 'The approval' : `The ${model.voids} approvals`} given before will not count for it. `}
      <a href={`/approvals/${model.requestId}`}>Back to all that was asked</a>, also to deny.
    </p>
  );
