/**
 * How fresh and how strong the sign-in of a voter must be. Roles are as old as the session, an hour at most; a rule may
 * ask for a person who proved to Entra more recently who they are, or in a stronger way. What Entra did not say is not
 * taken to be so. Pure.
 */
import { SIGN_IN_MAX_AGE_SECONDS } from '../policy/rules.ts';
import type { Conditions } from './quorum.ts';

export type SignedIn = {
  /** When the session was made, with the roles of that moment. */
  readonly signedInAt: Date;
  /** When the person last proved to Entra who they are (`auth_time`); null: Entra did not say. */
  readonly authenticatedAt: Date | null;
  /** Authentication contexts of Entra that the sign-in satisfied (`acrs`). */
  readonly authenticationContexts: readonly string[];
};

type Demands = Pick<Conditions, 'signInSeconds' | 'authenticationContexts'>;

/** What a sign-in lacks. */
export type StepUp = {
  /** The person must have proved who they are at most so long ago, seconds; null: they did. */
  readonly maxAgeSeconds: number | null;
  /** The first context that is missing; null: none is. */
  readonly context: string | null;
};

export const isSignInTooOld = ({ signedInAt }: Pick<SignedIn, 'signedInAt'>, now: Date): boolean =>
  !(now.getTime() - signedInAt.getTime() <= SIGN_IN_MAX_AGE_SECONDS * 1000);

/** What the sign-in lacks of what all of these demand; null if it will do. */
export const missingStepUp = (signedIn: SignedIn, demands: readonly Demands[], now: Date): StepUp | null => {
  const seconds = Math.min(...demands.map(({ signInSeconds }) => signInSeconds));
  const asked = seconds < SIGN_IN_MAX_AGE_SECONDS;
  const { authenticatedAt } = signedIn;
  const isFresh = authenticatedAt !== null && now.getTime() - authenticatedAt.getTime() <= seconds * 1000;
  const context = demands
    .flatMap(({ authenticationContexts }) => authenticationContexts)
    .find((id) => !signedIn.authenticationContexts.includes(id));
  if ((!asked || isFresh) && context === undefined) return null;
  return { maxAgeSeconds: asked && !isFresh ? seconds : null, context: context ?? null };
};
