/** The forms beside the kill switches, for those with the role: closing one thing or everything, and lifting what is closed. */
import type { JSX } from 'preact';
import { DeedForm, type DeedModel } from './deed-form.tsx';
import { KeptReason } from './reason-area.tsx';
import { SignInAgain, type SignInAgainModel } from './sign-in-again.tsx';

export const KIND_NAMES = { agent: 'Agent', audience: 'API', environment: 'Environment' } as const;

/** The form as it was sent. */
export type BlockForm = {
  readonly kind: keyof typeof KIND_NAMES | 'global';
  readonly subject: string;
  readonly lasting: boolean;
};

export type BlockForms = {
  readonly typed: BlockForm;
  /** Ids to choose from. */
  readonly subjects: readonly string[];
  /** What has to be typed to close everything. */
  readonly confirmation: string;
  readonly one: DeedModel;
  readonly global: DeedModel;
  /** The one that is about to be lifted. */
  readonly lift: {
    readonly id: string;
    readonly deed: DeedModel;
    /** Null: the person's sign-in will do. */
    readonly signIn: SignInAgainModel | null;
  } | null;
  readonly notice: string | null;
};

const Lasting = ({ typed }: { typed: BlockForm }): JSX.Element => (
  <fieldset>
    <legend class="hidden">For how long</legend>
    <label>
      <input type="radio" name="lasting" value="yes" checked={typed.lasting} /> Keep closed until somebody
      lifts it
    </label>
    <label>
      <input type="radio" name="lasting" value="no" checked={!typed.lasting} /> Only take back what was given
      until now
    </label>
  </fieldset>
);

const CloseOne = ({ forms }: { forms: BlockForms }): JSX.Element => (
  <DeedForm id="one" model={forms.one}>
    <label>
      What
      <select name="kind">
        {Object.entries(KIND_NAMES).map(([kind, name]) => (
          <option value={kind} selected={kind === forms.typed.kind}>
            {name}
          </option>
        ))}
      </select>
    </label>
    <label>
      Which
      <input
        type="text"
        name="subject"
        required
        list="subjects"
        autocomplete="off"
        spellcheck={false}
        placeholder="agent’s id, api://… or prod"
        value={forms.typed.subject}
      />
    </label>
    <datalist id="subjects">
      {forms.subjects.map((subject) => (
        <option value={subject} />
      ))}
    </datalist>
    <Lasting typed={forms.typed} />
  </DeedForm>
);

const CloseAll = ({ forms }: { forms: BlockForms }): JSX.Element => (
  <details class="all-closed" open={forms.global.problem !== null}>
    <summary>Close everything</summary>
    <DeedForm id="global" model={forms.global}>
      <p>No agent gets a token for anything, and every token and grant there is ends now.</p>
      <input type="hidden" name="kind" value="global" />
      <Lasting typed={forms.typed} />
      <label>
        Type “{forms.confirmation}”
        <input type="text" name="confirmation" required autocomplete="off" spellcheck={false} />
      </label>
    </DeedForm>
  </details>
);

const Lift = (props: { name: string; lift: NonNullable<BlockForms['lift']> }): JSX.Element => {
  const { deed, signIn } = props.lift;
  return (
    <section class="decision" id="lift" aria-labelledby="lift-title">
      <h2 id="lift-title">Lift: {props.name}</h2>
      <p>What it ended stays ended; agents can ask anew.</p>
      {signIn === null ? (
        <DeedForm id="lift" model={deed} />
      ) : (
        <>
          {deed.problem !== null && (
            <p class="problem" role="alert">
              {deed.problem}
            </p>
          )}
          <SignInAgain model={signIn} />
          <KeptReason reason={deed.reason} rows={2} />
        </>
      )}
      <p>
        <a href="/blocks">Leave it closed</a>
      </p>
    </section>
  );
};

/** `lifted`: the name of what is about to be lifted. */
export const BlockAside = (props: { forms: BlockForms; lifted: string | null }): JSX.Element => {
  const { forms, lifted } = props;
  return (
    <div class="split-side">
      {forms.lift !== null && lifted !== null ? (
        <Lift name={lifted} lift={forms.lift} />
      ) : (
        <section class="decision" aria-labelledby="close">
          <h2 id="close">Close something</h2>
          <CloseOne forms={forms} />
          <CloseAll forms={forms} />
        </section>
      )}
    </div>
  );
};
