/**
 * What takes something back: the end of a grant, a token's revocation, a kill switch. As with a vote nothing is
 * believed that the post says but which button it was and why: the button's token shows that it was pressed on a
 * page of ours, of this session, for this very thing.
 */
import type Router from '@koa/router';
import { DEED_REASON_MAX_LENGTH, type DeedButton, type DeedModel } from '../../views/deed-form.tsx';
import type { Author } from '../access/author.ts';
import type { Form } from '../http/form.ts';
import { DISPLAY_TEXT } from '../registry/display-text.ts';
import { checkActionToken, type DeedAction, type DeedName, issueActionToken } from './action-token.ts';
import { answerRefusal } from './answers.tsx';
import { sessionOf } from './approval-routes.tsx';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { requireRole, requireSameOrigin, requireSession } from './guards.tsx';
import { postedForm, readPost, reasonOf } from './posts.ts';
import { malformed } from './refusals.ts';
import { tellRefusal } from './tell-refusal.ts';

/** Why a post did not count, said at the form. */
export type DeedProblem = { readonly status: 403 | 409 | 422; readonly problem: string };

const EXPIRED_PAGE: DeedProblem = {
  status: 403,
  problem:
    'This page was open for more than ten minutes, so nothing was changed. Look at it once more, then press again.',
};
const STALE_PAGE: DeedProblem = {
  status: 403,
  problem:
    'This page was not made for your present sign-in, so nothing was changed. Look at it once more, then press again.',
};
const NO_REASON: DeedProblem = {
  status: 422,
  problem: 'Give a reason: it is part of what is recorded. Nothing was changed.',
};
const BAD_REASON: DeedProblem = {
  status: 422,
  problem: `The reason must be one line of at most ${DEED_REASON_MAX_LENGTH} characters. Nothing was changed.`,
};

const actionOf = (context: ConsoleContext, deed: DeedName, subject: string): DeedAction => ({
  sessionDigest: sessionOf(context).digest,
  deed,
  subject,
});

/** A button for this session, good for ten minutes. `subject` is the id of what it is done to. */
export const deedButton = (
  parts: ConsoleParts,
  context: ConsoleContext,
  { deed, subject, name }: { readonly deed: DeedName; readonly subject: string; readonly name: string },
): DeedButton => ({
  deed,
  name,
  token: issueActionToken(parts.actionKey, actionOf(context, deed, subject), parts.clock()),
});

/** The form of these buttons, with what was typed and why it did not count. */
export const deedModel = (
  context: ConsoleContext,
  href: string,
  { buttons, problem }: { readonly buttons: readonly DeedButton[]; readonly problem: string | null },
): DeedModel => ({
  href,
  buttons,
  signer: sessionOf(context).name,
  reason: problem === null ? '' : context.state.typed,
  problem,
  reasonWrong: problem === NO_REASON.problem || problem === BAD_REASON.problem,
});

/** Who does it and why, or what is wrong with the post. */
export const checkDeed = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { deed, subject, form }: { readonly deed: DeedName; readonly subject: string; readonly form: Form },
): Promise<Author | DeedProblem> => {
  const bad = checkActionToken(parts.actionKey, actionOf(context, deed, subject), {
    token: form.get(`${deed}_token`) ?? '',
    now: parts.clock(),
  });
  if (bad === 'expired') return EXPIRED_PAGE;
  if (bad === 'invalid') {
    await tellRefusal(parts, context, { event: 'csrf.blocked', reason: 'action_token' });
    return STALE_PAGE;
  }
  const reason = reasonOf(form);
  if (reason === '') return NO_REASON;
  if (reason.length > DEED_REASON_MAX_LENGTH || !DISPLAY_TEXT.test(reason)) return BAD_REASON;
  const { tenant, object } = sessionOf(context);
  return { by: `${tenant}/${object}`.toLowerCase(), reason };
};

type Post<Deed extends DeedName> = {
  readonly path: string;
  readonly allowed: (roles: readonly string[]) => boolean;
  /** In words. */
  readonly role: string;
  /** Buttons that a page of this path has. */
  readonly deeds: readonly Deed[];
  readonly act: (context: ConsoleContext, deed: Deed, form: Form) => Promise<void>;
};

/** A route that takes back. Everything that a vote's route demands stands before it. */
export const deedRoute = <Deed extends DeedName>(
  router: Router<ConsoleState>,
  parts: ConsoleParts,
  post: Post<Deed>,
): void => {
  router.post(
    post.path,
    requireSameOrigin(parts),
    readPost(parts),
    requireSession(parts),
    requireRole(parts, post.allowed, post.role),
    async (context) => {
      const form = postedForm(context);
      const deed = post.deeds.find((name) => name === form.get('deed'));
      if (deed !== undefined) return post.act(context, deed, form);
      await tellRefusal(parts, context, { event: 'console.refused', reason: 'form_malformed' });
      answerRefusal(parts, context, malformed('No button of this page was pressed, so nothing was changed.'));
    },
  );
};
