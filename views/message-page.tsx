/** Pages that say one thing: signing in and out, refusals, outages. What happened, and what to do about it. */
import type { ComponentChildren, JSX } from 'preact';
import { Layout, type PageContext } from './layout.tsx';

const Message = (props: { page: PageContext; title: string; children: ComponentChildren }): JSX.Element => (
  <Layout page={props.page} title={props.title}>
    <section class="message">
      <h1>{props.title}</h1>
      {props.children}
    </section>
  </Layout>
);

export const SignInPage = ({ page, href }: { page: PageContext; href: string }): JSX.Element => (
  <Message page={page} title="Sign in to decide">
    <p>
      Agents ask here for one action on one API at a time. You see who asks, what would happen, and you have
      the last word where policy alone may not decide.
    </p>
    <p>
      <a class="button" href={href}>
        Sign in with Microsoft Entra
      </a>
    </p>
  </Message>
);

export const SignedOutPage = (props: {
  page: PageContext;
  href: string;
  entraSignOut: string | null;
}): JSX.Element => (
  <Message page={props.page} title="You are signed out">
    <p>Your session here has ended.</p>
    <p class="choices">
      <a class="button" href={props.href}>
        Sign in again
      </a>
      {props.entraSignOut !== null && <a href={props.entraSignOut}>Sign out of Microsoft Entra too</a>}
    </p>
  </Message>
);

export type ErrorModel = {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  /** Machine word of the refusal, for support and tests; shown small. */
  readonly code: string;
  readonly action: { readonly href: string; readonly name: string } | null;
  /** What the person had typed, so that it is not lost. */
  readonly kept: string;
};

export const ErrorPage = ({ page, model }: { page: PageContext; model: ErrorModel }): JSX.Element => (
  <Message page={page} title={model.title}>
    <p>{model.text}</p>
    {model.kept !== '' && (
      <label>
        What you wrote, to copy
        <textarea rows={4} readOnly value={model.kept} />
      </label>
    )}
    {model.action !== null && (
      <p>
        <a class="button" href={model.action.href}>
          {model.action.name}
        </a>
      </p>
    )}
    <p class="note">
      {model.status} <code>{model.code}</code>
    </p>
  </Message>
);

/** The same, where a part of a page was asked for. */
export const ErrorPart = ({ model }: { model: ErrorModel }): JSX.Element => (
  <div class="notice" role="alert">
    <p>
      <b>{model.title}.</b> {model.text}
    </p>
    {model.action !== null && (
      <p>
        <a href={model.action.href}>{model.action.name}</a>
      </p>
    )}
  </div>
);
