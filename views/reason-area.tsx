/** Where a person says why, with what was wrong the last time; and what was typed, when there is no form any more. */
import type { ComponentChildren, JSX } from 'preact';

/** Longest reason of a vote, characters. */
export const REASON_MAX_LENGTH = 1000;

export const ReasonArea = (props: {
  /** Ids, unique on the page. */
  readonly ids: { readonly field: string; readonly problem: string; readonly note: string };
  readonly rows: number;
  readonly model: {
    readonly reason: string;
    readonly problem: string | null;
    /** Whether the problem is the reason itself. */
    readonly reasonWrong: boolean;
  };
  /** The note below it. */
  readonly children: ComponentChildren;
}): JSX.Element => {
  const { ids, model } = props;
  return (
    <>
      {model.problem !== null && (
        <p class="problem" id={ids.problem} role="alert">
          {model.problem}
        </p>
      )}
      <label for={ids.field}>Your reason</label>
      <textarea
        id={ids.field}
        name="reason"
        rows={props.rows}
        required
        maxLength={REASON_MAX_LENGTH}
        aria-describedby={model.problem === null ? ids.note : `${ids.problem} ${ids.note}`}
        aria-invalid={model.reasonWrong ? 'true' : undefined}
        value={model.reason}
      />
      <p class="note" id={ids.note}>
        {props.children}
      </p>
    </>
  );
};

export const KeptReason = ({
  reason,
  rows,
}: {
  readonly reason: string;
  readonly rows: number;
}): JSX.Element | null =>
  reason === '' ? null : (
    <label>
      What you wrote, to copy
      <textarea rows={rows} readOnly value={reason} />
    </label>
  );
