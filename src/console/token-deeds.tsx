/** Taking back one token or a whole grant, from a token's page or from the trace of its request. */
import type Router from '@koa/router';
import { TokenPage } from '../../views/token-page.tsx';
import { endGrant, revokeToken } from '../access/revoke.ts';
import type { Form } from '../http/form.ts';
import { findLineage } from '../tokens/token-list.ts';
import { answerPage, answerRefusal, pageContext, redirect } from './answers.tsx';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { checkDeed, deedRoute } from './deeds.ts';
import { requireSession } from './guards.tsx';
import { notFound } from './refusals.ts';
import { grantPathOf, requestIdOf } from './request-address.ts';
import { mayTakeBack } from './roles.ts';
import { jtiOf, tokenModel } from './token-model.ts';
import { showTrace } from './trace-routes.tsx';

const OVER = {
  end_grant: 'The grant had ended before. Nothing was changed.',
  revoke_token: 'The token had expired or was revoked before. Nothing was changed.',
} as const;

/** Shows the token as it is now, and what became of the attempt. */
const answerToken = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  mishap: {
    readonly jti: string;
    readonly status: number;
    readonly problem?: string;
    readonly notice?: string;
  },
): Promise<void> => {
  const lineage = await findLineage(parts.database, mishap.jti);
  if (lineage === null) return answerRefusal(parts, context, notFound);
  const { problem = null, notice = null } = mishap;
  const model = tokenModel(parts, context, { lineage, problem, notice });
  answerPage(context, <TokenPage page={pageContext(parts, context)} model={model} tag="" />, mishap.status);
};

const takeBack = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { deed, form }: { readonly deed: 'end_grant' | 'revoke_token'; readonly form: Form },
): Promise<void> => {
  const jti = jtiOf(context);
  const lineage = jti === null ? null : await findLineage(parts.database, jti);
  if (jti === null || lineage === null) return answerRefusal(parts, context, notFound);
  const { requestId } = lineage.token;
  const subject = deed === 'end_grant' ? requestId : jti;
  const checked = await checkDeed(parts, context, { deed, subject, form });
  if ('problem' in checked) return answerToken(parts, context, { jti, ...checked });
  const outcome =
    deed === 'end_grant'
      ? await endGrant(parts.database, requestId, checked, 'operator')
      : await revokeToken(parts.database, jti, checked);
  if (outcome === 'over') return answerToken(parts, context, { jti, status: 409, notice: OVER[deed] });
  if (outcome === 'unknown') return answerRefusal(parts, context, notFound);
  redirect(context, context.path);
};

const endFromTrace = async (parts: ConsoleParts, context: ConsoleContext, form: Form): Promise<void> => {
  const id = requestIdOf(context);
  if (id === null) return answerRefusal(parts, context, notFound);
  const checked = await checkDeed(parts, context, { deed: 'end_grant', subject: id, form });
  if ('problem' in checked) return showTrace(parts, context, checked);
  const outcome = await endGrant(parts.database, id, checked, 'operator');
  if (outcome === 'over') return showTrace(parts, context, { status: 409, notice: OVER.end_grant });
  if (outcome === 'unknown') return answerRefusal(parts, context, notFound);
  redirect(context, `/requests/${id}`);
};

export const tokenDeedRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  const operator = { allowed: mayTakeBack, role: 'the app role Operator' };
  deedRoute(router, parts, {
    ...operator,
    path: '/tokens/:jti',
    deeds: ['end_grant', 'revoke_token'],
    act: (context, deed, form) => takeBack(parts, context, { deed, form }),
  });
  deedRoute(router, parts, {
    ...operator,
    path: grantPathOf(':request_id'),
    deeds: ['end_grant'],
    act: (context, _deed, form) => endFromTrace(parts, context, form),
  });
  // Whoever had to sign in again comes back by the address that the form was posted to.
  router.get(grantPathOf(':request_id'), requireSession(parts), (context) => {
    const id = requestIdOf(context);
    if (id === null) answerRefusal(parts, context, notFound);
    else redirect(context, `/requests/${id}`);
  });
};
