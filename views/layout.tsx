/** The frame of every page: head, navigation, footer. Scripts are files of this origin and carry the page's nonce. */
import type { ComponentChildren, JSX } from 'preact';
import { BrandMark } from './brand-mark.tsx';

/** The signed-in person, and which parts of the console are open to them. */
export type Viewer = {
  readonly name: string;
  readonly username: string;
  readonly mayApprove: boolean;
  readonly mayReadTrail: boolean;
};

/** What every page is rendered with. */
export type PageContext = {
  /** The response's CSP nonce. */
  readonly nonce: string;
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
  readonly icon: string;
  readonly viewer: Viewer | null;
};

/** No history handling and no other extension than these: htmx refreshes parts of a page, nothing else. */
const HTMX_CONFIG = JSON.stringify({
  extensions: 'hx-csp,ptag',
  history: false,
  includeIndicatorCSS: false,
  prefix: '',
  morphIgnore: ['data-htmx-powered', 'open'],
});

export type Section = 'approvals' | 'tokens' | 'blocks' | 'audit';

const NavigationLink = (props: { href: string; name: string; current: boolean }): JSX.Element => (
  <li>
    <a href={props.href} aria-current={props.current ? 'page' : undefined}>
      {props.name}
    </a>
  </li>
);

const Header = ({ viewer, section }: { viewer: Viewer | null; section: Section | null }): JSX.Element => (
  <header class="top">
    <div class="top-inner">
      <a class="brand" href="/">
        <BrandMark />
        <span>Countersign</span>
      </a>
      {viewer !== null && (
        <>
          <nav aria-label="Main" class="links">
            <ul>
              {viewer.mayApprove && (
                <NavigationLink href="/approvals" name="Approvals" current={section === 'approvals'} />
              )}
              {viewer.mayReadTrail && (
                <>
                  <NavigationLink href="/tokens" name="Tokens" current={section === 'tokens'} />
                  <NavigationLink href="/blocks" name="Kill switches" current={section === 'blocks'} />
                  <NavigationLink href="/audit" name="Audit" current={section === 'audit'} />
                </>
              )}
            </ul>
          </nav>
          <form class="who" method="post" action="/sign-out">
            <span class="who-name">
              {viewer.name}
              <small>{viewer.username}</small>
            </span>
            <button type="submit" class="quiet">
              Sign out
            </button>
          </form>
        </>
      )}
    </div>
  </header>
);

/** A whole document; `title` is what the tab shows. */
export const Layout = (props: {
  readonly page: PageContext;
  readonly title: string;
  readonly section?: Section;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta name="htmx-config" content={HTMX_CONFIG} />
      <title>{`${props.title} · Countersign`}</title>
      <link rel="icon" type="image/svg+xml" href={props.page.icon} />
      {props.page.styles.map((href) => (
        <link rel="stylesheet" href={href} />
      ))}
      {props.page.scripts.map((src) => (
        <script src={src} nonce={props.page.nonce} defer />
      ))}
    </head>
    <body>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header viewer={props.page.viewer} section={props.section ?? null} />
      <main id="main" tabIndex={-1}>
        {props.children}
      </main>
      <footer class="bottom">
        <p>Countersign · access for agents, one action at a time · all times are UTC</p>
      </footer>
    </body>
  </html>
);
