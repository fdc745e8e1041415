/** The few pages that people see. Plain forms without script; every page says that it belongs to a lab. */
import { createHash } from 'node:crypto';
import type { ComponentChildren, VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';

const STYLE = [
  ':root{color-scheme:light dark;font-family:system-ui,sans-serif;line-height:1.5}',
  'body{margin:0 auto;max-width:26rem;padding:1rem}',
  'form{display:grid;gap:.5rem}',
  'input,button{font:inherit;padding:.5rem}',
  'button{cursor:pointer;margin-top:.5rem}',
  '.lab{border:2px dashed;font-weight:600;padding:.5rem 1rem}',
  '[role=alert]{border-left:.3rem solid #b00020;padding-left:.75rem}',
].join('');

/** Allows the one style sheet of these pages and nothing else. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const Page = ({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
}): VNode => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>{title} - lab</title>
      <style>{STYLE}</style>
    </head>
    <body>
      <main>
        <p class="lab">This is a lab: a stand-in for Microsoft Entra. Type no real password here.</p>
        <h1>{title}</h1>
        {children}
      </main>
    </body>
  </html>
);

const render = (page: VNode): string => `<!doctype html>${renderToString(page)}`;

/** The account form. It posts to the address it was shown at, which carries the whole authorization request. */
export const renderAccountForm = (form: {
  readonly username: string;
  readonly problem: string | undefined;
}): string =>
  render(
    <Page title="Sign in">
      {form.problem === undefined ? null : (
        <p role="alert" id="problem">
          {form.problem}
        </p>
      )}
      <form method="post">
        <label for="username">User name</label>
        <input
          id="username"
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          required
          value={form.username}
          aria-describedby={form.problem === undefined ? undefined : 'problem'}
        />
        <label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required />
        <button type="submit">Sign in</button>
      </form>
      <p>The accounts and their passwords are in the lab's world.json.</p>
    </Page>,
  );

/** The way back with `response_mode=form_post`: Entra submits this form by script, here the person does. */
export const renderFormPost = (redirectUri: string, fields: ReadonlyMap<string, string>): string =>
  render(
    <Page title="Go on">
      <form method="post" action={redirectUri}>
        {[...fields].map(([name, value]) => (
          <input key={name} type="hidden" name={name} value={value} />
        ))}
        <button type="submit">Continue to the application</button>
      </form>
    </Page>,
  );

/** A page with one message: a refusal that may not be sent to the application, or a plain notice. */
export const renderMessage = (title: string, message: string): string =>
  render(
    <Page title={title}>
      <p>{message}</p>
    </Page>,
  );
