/** Where a person takes something back, or opens it again: a reason and a button. No script takes part in it. */
import type { ComponentChildren, JSX } from 'preact';

/** Longest reason, characters, as that of a command. */
export const DEED_REASON_MAX_LENGTH = 500;

/** The names that a form may send. */
export type DeedButton = {
  readonly deed: 'end_grant' | 'revoke_token' | 'set_block' | 'lift_block';
  readonly name: string;
  /** Shows that it was pressed on this very page. */
  readonly token: string;
};

export type DeedModel = {
  /** Where the form is posted to. */
  readonly href: string;
  /** The first is the one that the Enter key presses. Empty: there is nothing left to take back. */
  readonly buttons: readonly DeedButton[];
  /** Name under which it is recorded. */
  readonly signer: string;
  /** What the person typed before, kept when it did not count. */
  readonly reason: string;
  /** Why the last attempt did not count. */
  readonly problem: string | null;
  /** Whether that is the reason itself. */
  readonly reasonWrong: boolean;
};

/** Red takes away; what opens again is an ordinary button. */
const classOf = (deed: DeedButton['deed'], index: number): string | undefined => {
  if (deed === 'lift_block') return undefined;
  return index === 0 ? 'take-back' : 'deny';
};

export const DeedForm = (props: {
  /** Unique on the page. */
  readonly id: string;
  readonly model: DeedModel;
  /** Further fields, above the reason. */
  readonly children?: ComponentChildren;
}): JSX.Element => {
  const { id, model } = props;
  return (
    <form class="deed" method="post" action={model.href}>
      {model.problem !== null && (
        <p class="problem" id={`${id}-problem`} role="alert">
          {model.problem}
        </p>
      )}
      {props.children}
      <label for={`${id}-reason`}>Your reason</label>
      <input
        type="text"
        id={`${id}-reason`}
        name="reason"
        required
        maxLength={DEED_REASON_MAX_LENGTH}
        autocomplete="off"
        aria-describedby={model.problem === null ? `${id}-note` : `${id}-problem ${id}-note`}
        aria-invalid={model.reasonWrong ? 'true' : undefined}
        value={model.reason}
      />
      <p class="note" id={`${id}-note`}>
        Required. Kept in the audit trail under your name, {model.signer}.
      </p>
      {model.buttons.map(({ deed, token }) => (
        <input type="hidden" name={`${deed}_token`} value={token} />
      ))}
      <div class="deeds">
        {model.buttons.map(({ deed, name }, index) => (
          <button type="submit" name="deed" value={deed} class={classOf(deed, index)}>
            {name}
          </button>
        ))}
      </div>
    </form>
  );
};
