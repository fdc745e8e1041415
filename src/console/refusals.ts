/** What the console refuses, each in its own words: what happened, and what to do now. */

import type { ErrorModel } from '../../views/message-page.tsx';
import type { StepUp } from '../access/step-up.ts';

type Refusal = Omit<ErrorModel, 'kept'>;

/** Where a sign-in begins that is as fresh or as strong as a rule asks for. A link: our pages let no form lead away. */
export const stepUpHref = (returnTo: string, { maxAgeSeconds, context }: StepUp): string =>
  `${signInHref(returnTo, true)}${maxAgeSeconds === null ? '' : `&max_age=${maxAgeSeconds}`}${context === null ? '' : `&context=${context}`}`;

/** Where signing in begins; `again`: with the password, whatever Entra remembers. */
export const signInHref = (returnTo: string, again = false): string =>
  `/sign-in?return_to=${encodeURIComponent(returnTo)}${again ? '&again=1' : ''}`;

/** The same for whoever just signed out: as another account, perhaps, so Entra is not to take the one it remembers. */
export const chooseAccountHref = `${signInHref('/')}&choose=1`;

/** The same for what is unknown and for what is not this person's: an answer tells nobody which. */
export const notFound: Refusal = {
  status: 404,
  code: 'not_found',
  title: 'Not here',
  text: 'There is no such page, or it is not open to you.',
  action: { href: '/', name: 'To the start' },
};

export const signedOut = (returnTo: string, status: 401 | 403): Refusal => ({
  status,
  code: 'signed_out',
  title: 'You are signed out',
  text: 'Your session has ended, so nothing was changed. Sign in again to go on.',
  action: { href: signInHref(returnTo), name: 'Sign in' },
});

export const roleMissing = (roles: string): Refusal => ({
  status: 403,
  code: 'role_missing',
  title: 'Not open to you',
  text: `This needs ${roles} in Microsoft Entra. Ask whoever administers Countersign, then sign in again.`,
  action: { href: signInHref('/', true), name: 'Sign in again' },
});

export const forged: Refusal = {
  status: 403,
  code: 'csrf',
  title: 'Not sent from this page',
  text: 'The request did not come from a page of this console, so nothing was changed. Open the page here and try again.',
  action: { href: '/', name: 'To the start' },
};

export const selfApproval: Refusal = {
  status: 403,
  code: 'self_approval',
  title: 'You answer for this agent',
  text: 'Owners and sponsors of an agent never decide on its requests. Nothing was changed; another approver has to decide.',
  action: { href: '/approvals', name: 'To the queue' },
};

export const malformed = (text: string, status = 400): Refusal => ({
  status,
  code: 'invalid_request',
  title: 'That did not arrive whole',
  text,
  action: { href: '/', name: 'To the start' },
});

export const tooFast = (seconds: number): Refusal => ({
  status: 429,
  code: 'slow_down',
  title: 'Too many at once',
  text: `This was done more often than anybody would by hand, so it was not done now. Try again in ${seconds} seconds.`,
  action: { href: '/', name: 'To the start' },
});

export const signInFailed = (text: string): Refusal => ({
  status: 400,
  code: 'sign_in_failed',
  title: 'The sign-in did not work',
  text,
  action: { href: signInHref('/'), name: 'Try again' },
});

export const entraUnavailable: Refusal = {
  status: 503,
  code: 'sign_in_unavailable',
  title: 'Microsoft Entra does not answer',
  text: 'Nobody can sign in at the moment. Those who are signed in can go on.',
  action: { href: '/sign-in', name: 'Try again' },
};

export const signInNotConfigured: Refusal = {
  status: 503,
  code: 'sign_in_not_configured',
  title: 'Sign-in is not set up',
  text: 'This console has no application at Microsoft Entra. Whoever runs it sets COUNTERSIGN_SIGN_IN_TENANT and what belongs to it.',
  action: null,
};

export const unavailable = (typed: boolean): Refusal => ({
  status: 503,
  code: 'temporarily_unavailable',
  title: 'Not reachable for the moment',
  text: typed
    ? 'Countersign could not reach its database, so your decision may not have been recorded. What you wrote is kept here: open the request again to see where it stands.'
    : 'Countersign cannot reach something it depends on. Try again shortly.',
  action: null,
});

export const busy: Refusal = {
  status: 503,
  code: 'too_much_under_way',
  title: 'Too busy for the moment',
  text: 'Too many pages are asked for at once. Nothing was done or recorded. Try again in a second.',
  action: null,
};

export const internal = (traceId: string): Refusal => ({
  status: 500,
  code: traceId,
  title: 'Something went wrong here',
  text: 'It is recorded under the reference below. If you were deciding, open the request again to see where it stands.',
  action: { href: '/', name: 'To the start' },
});
