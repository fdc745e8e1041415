/** Where a person decides, or reads why not. One plain form: no script takes part in a vote. */
import type { JSX } from 'preact';
import { ExactTime } from './badges.tsx';
import { NarrowedNote, Narrowing, type NarrowingModel } from './narrowing.tsx';
import { KeptReason, ReasonArea } from './reason-area.tsx';
import { SignInAgain, type SignInAgainModel } from './sign-in-again.tsx';
import { duration } from './words.ts';

export type DecisionModel =
  | {
      readonly kind: 'open';
      readonly requestId: string;
      readonly termsDigest: string;
      readonly approveToken: string;
      readonly denyToken: string;
      readonly shown: string;
      readonly narrowing: NarrowingModel;
      readonly grantSeconds: number;
      /** What people denied the agent on another request, for as long as that holds; RFC 3339. */
      readonly denied: readonly { readonly scope: string; readonly until: string }[];
      /** Name under which the vote is recorded. */
      readonly signer: string;
      /** What the person typed before, kept when a vote did not count. */
      readonly reason: string;
      /** Why the last attempt did not count. */
      readonly problem: string | null;
      /** Whether that was the reason itself. */
      readonly reasonWrong: boolean;
    }
  | ({ readonly kind: 'sign_in_again'; readonly reason: string } & SignInAgainModel)
  | { readonly kind: 'closed'; readonly title: string; readonly why: string; readonly reason: string };

/** Somebody said no to the same: the agent is refused it meanwhile, but what is approved here it would get. */
const Denied = ({ denied }: Pick<DecisionModel & { kind: 'open' }, 'denied'>): JSX.Element => (
  <>
    {denied.map(({ scope, until }) => (
      <p class="caution">
        A person denied this agent <code>{scope}</code> on another request, until{' '}
        <ExactTime time={new Date(until)} />. An approval here would give it nevertheless.
      </p>
    ))}
  </>
);

const VoteForm = ({ model }: { model: DecisionModel & { kind: 'open' } }): JSX.Element => (
  <form method="post" action={`/approvals/${model.requestId}`}>
    <ReasonArea ids={{ field: 'reason', problem: 'problem', note: 'reason-note' }} rows={4} model={model}>
      Required. Kept in the audit trail, never shown to the agent.
    </ReasonArea>
    <input type="hidden" name="terms_digest" value={model.termsDigest} />
    <input type="hidden" name="approve_token" value={model.approveToken} />
    <input type="hidden" name="deny_token" value={model.denyToken} />
    <input type="hidden" name="shown" value={model.shown} />
    {model.narrowing.sent !== null && <input type="hidden" name="narrowing" value={model.narrowing.sent} />}
    <div class="verdicts">
      <button type="submit" name="verdict" value="approve" class="approve">
        Approve for up to {duration(model.grantSeconds)}
      </button>
      {model.narrowing.sent === null && (
        <button type="submit" name="verdict" value="deny" class="deny">
          Deny
        </button>
      )}
    </div>
    <p class="note">
      You sign as {model.signer} the terms <code>{model.termsDigest.slice(0, 12)}</code>.
    </p>
  </form>
);

export const DecisionPanel = ({ model }: { model: DecisionModel }): JSX.Element => (
  <section class="decision" aria-labelledby="decision">
    <h2 id="decision">{model.kind === 'closed' ? model.title : 'Your decision'}</h2>
    {model.kind === 'open' && (
      <>
        <NarrowedNote model={model.narrowing} />
        <Denied denied={model.denied} />
        <VoteForm model={model} />
        <Narrowing model={model.narrowing} />
      </>
    )}
    {model.kind === 'sign_in_again' && (
      <>
        <SignInAgain model={model} />
        <KeptReason reason={model.reason} rows={4} />
      </>
    )}
    {model.kind === 'closed' && (
      <>
        <p>{model.why}</p>
        <KeptReason reason={model.reason} rows={4} />
      </>
    )}
  </section>
);
