/** A denial that holds: by whom, until when, and the form to lift it before. One plain form, as for a vote. */
import type { JSX } from 'preact';
import { ExactTime, Moment } from './badges.tsx';
import { KeptReason, ReasonArea } from './reason-area.tsx';
import { SignInAgain, type SignInAgainModel } from './sign-in-again.tsx';
import { list } from './words.ts';

export type HeldDenialModel = {
  readonly requestId: string;
  readonly deniedBy: readonly string[];
  readonly heldUntil: Date;
  readonly now: Date;
  /** What the person typed before, kept when the denial was not lifted. */
  readonly reason: string;
  /** Why the last attempt did not count. */
  readonly problem: string | null;
  /** Whether that was the reason itself. */
  readonly reasonWrong: boolean;
  readonly lifting:
    | { readonly kind: 'open'; readonly token: string; readonly signer: string }
    | ({ readonly kind: 'sign_in_again' } & SignInAgainModel)
    | { readonly kind: 'closed'; readonly why: string };
};

const LiftForm = ({
  model,
  lifting,
}: {
  model: HeldDenialModel;
  lifting: HeldDenialModel['lifting'] & { kind: 'open' };
}): JSX.Element => (
  <form method="post" action={`/requests/${model.requestId}`}>
    <ReasonArea
      ids={{ field: 'lift-reason', problem: 'lift-problem', note: 'lift-note' }}
      rows={3}
      model={model}
    >
      Required. Kept in the audit trail, never shown to the agent, which gets nothing by it: it may ask anew,
      and policy and people decide then. You sign as {lifting.signer}.
    </ReasonArea>
    <input type="hidden" name="lift_token" value={lifting.token} />
    <button type="submit">Lift this denial</button>
  </form>
);

export const HeldDenial = ({ model }: { model: HeldDenialModel }): JSX.Element => (
  <section class="decision" aria-labelledby="held-denial">
    <h2 id="held-denial">The denial holds</h2>
    <p>
      <b>{list(model.deniedBy)}</b> denied this. Whatever the agent asks or says, it is refused these actions
      until <ExactTime time={model.heldUntil} /> (<Moment time={model.heldUntil} now={model.now} />
      ).
    </p>
    {model.lifting.kind === 'open' && <LiftForm model={model} lifting={model.lifting} />}
    {model.lifting.kind === 'closed' && <p>{model.lifting.why}</p>}
    {model.lifting.kind === 'sign_in_again' && <SignInAgain model={model.lifting} />}
    {model.lifting.kind !== 'open' && <KeptReason reason={model.reason} rows={3} />}
  </section>
);
