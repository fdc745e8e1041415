/** Where a sign-in is not as recent or as strong as it takes: why, and the way to a new one. */
import type { JSX } from 'preact';

export type SignInAgainModel = { readonly why: string; readonly href: string };

export const SignInAgain = ({ model }: { model: SignInAgainModel }): JSX.Element => (
  <>
    <p>{model.why}</p>
    <p>
      <a class="button" href={model.href}>
        Sign in again
      </a>
    </p>
  </>
);
