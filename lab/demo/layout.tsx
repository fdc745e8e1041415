/** The frame of the demo's pages. It says at every turn that this is a lab. */
import type { ComponentChildren, JSX } from 'preact';

/** Parts of a page refresh themselves; nothing else of htmx is used. */
const HTMX_CONFIG = JSON.stringify({ history: false, includeIndicatorCSS: false, prefix: '' });

export const Layout = (props: {
  readonly title: string;
  /** Seconds after which a browser without scripts loads the page again; null: never. */
  readonly reloadSeconds?: number | null;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta name="htmx-config" content={HTMX_CONFIG} />
      {props.reloadSeconds != null && (
        <noscript>
          <meta http-equiv="refresh" content={String(props.reloadSeconds)} />
        </noscript>
      )}
      <title>{`${props.title} · Countersign lab`}</title>
      <link rel="icon" href="data:," />
      <link rel="stylesheet" href="/demo.css" />
      <script src="/htmx.js" defer />
      <script src="/lifetime.js" defer />
    </head>
    <body>
      <header class="top">
        <a class="brand" href="/">
          Countersign <span class="lab">lab</span>
        </a>
        <p>
          Entra, the agents, the APIs and the accounts here are stand-ins on this machine. The broker is the
          real one.
        </p>
      </header>
      <main>{props.children}</main>
    </body>
  </html>
);
