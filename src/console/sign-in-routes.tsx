/** Signing in and out. Only links and redirects lead to Entra: the policy of our pages lets no form post lead away. */
import type Router from '@koa/router';
import { SignedOutPage, SignInPage } from '../../views/message-page.tsx';
import type { SignInReason } from '../reasons/console.ts';
import { answerPage, answerRefusal, pageContext, redirect } from './answers.tsx';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { newSecret, readCookie, writeCookie } from './cookies.ts';
import { requireSameOrigin, withSession } from './guards.tsx';
import { keepsPace } from './pace.tsx';
import { chooseAccountHref, signInFailed, signInHref, signInNotConfigured } from './refusals.ts';
import { returnAddress } from './return-address.ts';
import { endSession, openSession, SESSION_MAX_SECONDS } from './sessions.ts';
import { beginSignIn, SIGN_IN_SECONDS, takeSignIn } from './sign-ins.ts';
import { tellRefusal } from './tell-refusal.ts';

/** One value of a query parameter; a repeated one is none. */
const queryValue = (context: ConsoleContext, name: string): string | undefined => {
  const value = context.query[name];
  return typeof value === 'string' ? value : undefined;
};

/** The same secret for all tabs of a browser, so that two sign-ins begun at once both come back. */
const browserOf = (parts: ConsoleParts, context: ConsoleContext): string => {
  const browser = readCookie(context, parts.url, 'sign_in') ?? newSecret();
  writeCookie(context, parts.url, { name: 'sign_in', value: browser, maxAgeSeconds: SIGN_IN_SECONDS });
  return browser;
};

const promptOf = (context: ConsoleContext): 'login' | 'select_account' | null => {
  if (queryValue(context, 'again') === '1') return 'login';
  return queryValue(context, 'choose') === '1' ? 'select_account' : null;
};

const begin = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const { entra } = parts;
  const returnTo = queryValue(context, 'return_to');
  if (entra === null) {
    answerRefusal(parts, context, signInNotConfigured);
    return;
  }
  if (returnTo === undefined) {
    answerPage(context, <SignInPage page={pageContext(parts, context)} href={signInHref('/')} />);
    return;
  }
  if (!(await keepsPace(parts, context, 'sign_in'))) return;
  const { state, secrets } = await beginSignIn(parts.database, {
    browser: browserOf(parts, context),
    returnTo: returnAddress(returnTo),
  });
  const maxAge = queryValue(context, 'max_age') ?? '';
  const wanted = queryValue(context, 'context') ?? '';
  redirect(
    context,
    await entra.begin({
      state,
      secrets,
      prompt: promptOf(context),
      maxAgeSeconds: /^\d{1,4}$/.test(maxAge) ? Number(maxAge) : null,
      context: /^c[1-9][0-9]?$/.test(wanted) ? wanted : null,
    }),
  );
};

/** Tells why a sign-in was refused; equal ones within a minute are counted in one event. */
const refuse = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  { reason, text }: { readonly reason: SignInReason; readonly text: string },
): Promise<void> => {
  await tellRefusal(parts, context, { event: 'console.sign_in_refused', reason });
  answerRefusal(parts, context, signInFailed(text));
};

const NOT_BEGUN_HERE = {
  reason: 'state',
  text: 'It was not begun in this browser, took too long, or was used before. Nobody was signed in.',
} as const;
const REFUSED_BY_ENTRA = {
  reason: 'refused_by_entra',
  text: 'Microsoft Entra did not sign you in.',
} as const;
const UNUSABLE = 'Microsoft Entra’s answer does not fit this sign-in. Nobody was signed in.';

const comeBack = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const { entra } = parts;
  if (entra === null) {
    answerRefusal(parts, context, signInNotConfigured);
    return;
  }
  const state = queryValue(context, 'state');
  const browser = readCookie(context, parts.url, 'sign_in');
  const signIn =
    state === undefined || browser === null ? null : await takeSignIn(parts.database, { state, browser });
  if (signIn === null) return refuse(parts, context, NOT_BEGUN_HERE);
  const code = queryValue(context, 'code');
  if (code === undefined) return refuse(parts, context, REFUSED_BY_ENTRA);
  const redeemed = await entra.redeem(code, signIn.secrets, parts.clock());
  if ('reason' in redeemed) return refuse(parts, context, { reason: redeemed.reason, text: UNUSABLE });
  const id = await openSession(parts.database, redeemed.person, {
    replaces: readCookie(context, parts.url, 'session'),
    traceId: context.state.traceId,
  });
  writeCookie(context, parts.url, { name: 'session', value: id, maxAgeSeconds: SESSION_MAX_SECONDS });
  redirect(context, signIn.returnTo);
};

const signOut = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const { session, traceId } = context.state;
  if (session !== null) await endSession(parts.database, session, traceId);
  context.state.session = null;
  writeCookie(context, parts.url, { name: 'session', value: '', maxAgeSeconds: 0 });
  context.set('Clear-Site-Data', '"cache"');
  redirect(context, '/signed-out');
};

export const signInRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/sign-in', withSession(parts), (context) => begin(parts, context));
  router.get('/sign-in/callback', (context) => comeBack(parts, context));
  router.post('/sign-out', requireSameOrigin(parts), withSession(parts), (context) =>
    signOut(parts, context),
  );
  router.get('/signed-out', (context) => {
    const page = pageContext(parts, context);
    const entraSignOut = parts.entra?.signOutUrl ?? null;
    answerPage(context, <SignedOutPage page={page} href={chooseAccountHref} entraSignOut={entraSignOut} />);
  });
};
