/** A part of a page that keeps itself up to date: htmx asks again, the server answers 304 or the same component. */
import type { ComponentChildren, JSX } from 'preact';

export const LivePart = (props: {
  readonly id: string;
  /** Address of this page; the same address answers with the part alone when htmx asks. */
  readonly href: string;
  readonly nonce: string;
  /** Tag of the content as rendered, so that the first repeat can already be answered 304. */
  readonly tag: string;
  readonly everySeconds: number;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <div
    id={props.id}
    hx-get={props.href}
    hx-trigger={`every ${props.everySeconds}s`}
    hx-swap="innerMorph"
    hx-ptag={props.tag}
    hx-nonce={props.nonce}
  >
    {props.children}
  </div>
);
