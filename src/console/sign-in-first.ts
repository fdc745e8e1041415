/** What a person has to do before they can decide: sign in once more, as recently and as strongly as is asked for. */
import { duration, list } from '../../views/words.ts';
import type { Conditions } from '../access/quorum.ts';
import { isSignInTooOld, missingStepUp } from '../access/step-up.ts';
import { signInHref, stepUpHref } from './refusals.ts';
import type { Session } from './sessions.ts';

/** Null: nothing. `page` is the address that the sign-in leads back to. */
export const signInFirst = (
  page: string,
  session: Session,
  { demands, now }: { readonly demands: readonly Conditions[]; readonly now: Date },
): { readonly why: string; readonly href: string } | null => {
  if (isSignInTooOld(session, now))
    return {
      why: 'This takes a sign-in of the last hour, and yours is older.',
      href: signInHref(page, true),
    };
  const missing = missingStepUp(session, demands, now);
  if (missing === null) return null;
  const { maxAgeSeconds, context } = missing;
  const asked = [
    ...(maxAgeSeconds === null ? [] : [`a sign-in of the last ${duration(maxAgeSeconds)}`]),
    ...(context === null ? [] : [`the authentication context ${context} of Microsoft Entra`]),
  ];
  return { why: `The rule asks for ${list(asked)}.`, href: stepUpHref(page, missing) };
};
