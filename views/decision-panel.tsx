/** Where a person decides, or reads why not. One plain form: no script takes part in a vote. */
import type { JSX } from 'preact';
import { NarrowedNote, Narrowing, type NarrowingModel } from './narrowing.tsx';
import { duration } from './words.ts';

/** Longest reason of a vote, characters. */
export const REASON_MAX_LENGTH = 1000;

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
      /** Name under which the vote is recorded. */
      readonly signer: string;
      /** What the person typed before, kept when a vote did not count. */
      readonly reason: string;
      /** Why the last attempt did not count. */
      readonly problem: string | null;
    }
  | {
      readonly kind: 'sign_in_again';
      readonly why: string;
      readonly href: string;
      readonly reason: string;
    }
  | { readonly kind: 'closed'; readonly title: string; readonly why: string; readonly reason: string };

const Kept = ({ reason }: { reason: string }): JSX.Element | null =>
  reason === '' ? null : (
    <label>
      What you wrote, to copy
      <textarea rows={4} readOnly value={reason} />
    </label>
  );

const VoteForm = ({ model }: { model: DecisionModel & { kind: 'open' } }): JSX.Element => (
  <form method="post" action={`/approvals/${model.requestId}`}>
    {model.problem !== null && (
      <p class="problem" id="problem" role="alert">
        {model.problem}
      </p>
    )}
    <label for="reason">Your reason</label>
    <textarea
      id="reason"
      name="reason"
      rows={4}
      required
      maxLength={REASON_MAX_LENGTH}
      aria-describedby={model.problem === null ? 'reason-note' : 'problem reason-note'}
      aria-invalid={model.problem === null ? undefined : 'true'}
      value={model.reason}
    />
    <p class="note" id="reason-note">
      Required. Kept in the audit trail, never shown to the agent.
    </p>
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
        <VoteForm model={model} />
        <Narrowing model={model.narrowing} />
      </>
    )}
    {model.kind === 'sign_in_again' && (
      <>
        <p>{model.why}</p>
        <p>
          <a class="button" href={model.href}>
            Sign in again
          </a>
        </p>
        <Kept reason={model.reason} />
      </>
    )}
    {model.kind === 'closed' && (
      <>
        <p>{model.why}</p>
        <Kept reason={model.reason} />
      </>
    )}
  </section>
);
