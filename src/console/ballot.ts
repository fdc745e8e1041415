/**
 * A vote as it was posted. Nothing of it is believed but the verdict and the reason: the token shows that it comes
 * from a page of ours, of this session, for these terms, for what the page showed beside them, and for this verdict.
 */
import { REASON_MAX_LENGTH } from '../../views/reason-area.tsx';
import type { ApprovalRequest } from '../access/approval-queue.ts';
import type { Form } from '../http/form.ts';
import type { VoteReason } from '../reasons/vote.ts';
import { type Action, checkActionToken } from './action-token.ts';
import { type Mishap, sessionOf } from './approval-routes.tsx';
import type { ConsoleContext, ConsoleParts } from './console-parts.ts';
import { reasonOf } from './posts.ts';
import { SHOWN } from './shown.ts';
import { tellRefusal } from './tell-refusal.ts';

/** A vote as the form on the page sends it. */
export type Ballot = {
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
  /** Empty if the post names none. */
  readonly termsDigest: string;
  readonly token: string;
  /** What the page had shown beside the terms (`shown.ts`); empty if the post does not say. */
  readonly shown: string;
  /** The form that narrowed the terms of an approval, as a query string; empty: nothing was narrowed. */
  readonly narrow: string;
};

/** SHA-256, hex. */
const DIGEST = /^[0-9a-f]{64}$/;

/** Null: neither verdict was pressed. */
export const parseBallot = (form: Form): Ballot | null => {
  const verdict = form.get('verdict');
  const termsDigest = form.get('terms_digest') ?? '';
  const shown = form.get('shown') ?? '';
  if (verdict !== 'approve' && verdict !== 'deny') return null;
  const token = form.get(verdict === 'approve' ? 'approve_token' : 'deny_token') ?? '';
  return {
    verdict,
    reason: reasonOf(form),
    termsDigest: DIGEST.test(termsDigest) ? termsDigest : '',
    token,
    shown: SHOWN.test(shown) ? shown : '',
    narrow: verdict === 'approve' ? (form.get('narrowing') ?? '') : '',
  };
};

/** `refused` null: told as forged. */
export type RefusedBallot = Mishap & { readonly refused: VoteReason | null };

const EXPIRED_PAGE: RefusedBallot = {
  refused: 'page_expired',
  status: 403,
  problem: 'This page was open for more than ten minutes. Look at it once more, then press again.',
};
const STALE_PAGE: RefusedBallot = {
  refused: null,
  status: 403,
  problem: 'This page was not made for your present sign-in. Look at it once more, then press again.',
};
const NO_REASON: RefusedBallot = {
  refused: 'reason_missing',
  status: 422,
  problem: 'Give a reason: it is part of what is recorded.',
  reasonWrong: true,
};
const LONG_REASON: RefusedBallot = {
  refused: 'reason_too_long',
  status: 422,
  problem: `The reason is too long: at most ${REASON_MAX_LENGTH} characters.`,
  reasonWrong: true,
};

/** What is wrong with a form that could count: its token for `action`, or its reason; null if nothing is. */
export const checkForm = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  form: Pick<Ballot, 'token' | 'reason'> & { readonly action: Action },
): Promise<RefusedBallot | null> => {
  const { action, token, reason } = form;
  const bad = checkActionToken(parts.actionKey, action, { token, now: parts.clock() });
  if (bad === 'expired') return EXPIRED_PAGE;
  if (bad === 'invalid') {
    await tellRefusal(parts, context, { event: 'csrf.blocked', reason: 'action_token' });
    return STALE_PAGE;
  }
  if (reason === '') return NO_REASON;
  return reason.length > REASON_MAX_LENGTH ? LONG_REASON : null;
};

/** What is wrong with a ballot that could count, null if nothing is. */
export const checkBallot = (
  parts: ConsoleParts,
  context: ConsoleContext,
  { request, ballot }: { readonly request: ApprovalRequest; readonly ballot: Ballot },
): Promise<RefusedBallot | null> => {
  const action = {
    sessionDigest: sessionOf(context).digest,
    requestId: request.requestId,
    termsDigest: ballot.termsDigest,
    shown: ballot.shown,
    verdict: ballot.verdict,
  };
  return checkForm(parts, context, { ...ballot, action });
};
