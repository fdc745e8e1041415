/** How a request of the console is answered: whole pages, parts that refresh themselves, refusals, redirects. */
import { createHash } from 'node:crypto';
import type { JSX } from 'preact';
import { renderToString } from 'preact-render-to-string';
import type { PageContext } from '../../views/layout.tsx';
import { type ErrorModel, ErrorPage, ErrorPart } from '../../views/message-page.tsx';
import type { ConsoleContext, ConsoleParts } from './console-parts.ts';
import { mayApprove, mayReadTrail } from './roles.ts';

/** What the frame of a page shows of this request. */
export const pageContext = (parts: ConsoleParts, context: ConsoleContext): PageContext => {
  const { session, nonce } = context.state;
  const { scripts, styles, icon } = parts.assets;
  return {
    nonce,
    scripts,
    styles,
    icon,
    viewer:
      session === null
        ? null
        : {
            name: session.name,
            username: session.username,
            mayApprove: mayApprove(session.roles),
            mayReadTrail: mayReadTrail(session.roles),
          },
  };
};

/** Answers with a whole document. */
export const answerPage = (context: ConsoleContext, page: JSX.Element, status = 200): void => {
  context.status = status;
  context.type = 'text/html; charset=utf-8';
  context.body = `<!doctype html>${renderToString(page)}`;
};

/** Whether htmx asks for a part of a page: then nobody pressed anything, and only that part is wanted. */
export const asksForPart = (context: ConsoleContext): boolean => context.get('hx-request') === 'true';

/** Digits of a tag: equal content, equal tag. */
const TAG_LENGTH = 32;

/**
 * Answers with the whole page, or with its live part alone, or (if the asker has that part already) with 304. Pages
 * are never stored, so the browser keeps no copy to ask about; htmx's `HX-PTag` carries what `If-None-Match` would.
 */
export const answerLive = (
  context: ConsoleContext,
  part: JSX.Element,
  page: (tag: string) => JSX.Element,
): void => {
  const content = renderToString(part);
  const tag = createHash('sha256').update(content).digest('hex').slice(0, TAG_LENGTH);
  context.vary('HX-Request');
  if (!asksForPart(context)) {
    answerPage(context, page(tag));
    return;
  }
  context.set('ETag', `"${tag}"`);
  context.set('HX-PTag', tag);
  if (context.get('hx-ptag') === tag || context.get('if-none-match') === `"${tag}"`) {
    context.status = 304;
    return;
  }
  context.status = 200;
  context.type = 'text/html; charset=utf-8';
  context.body = content;
};

/** Refuses, with a page or, where a part was asked for, with a part. What the person typed stays on the page. */
export const answerRefusal = (
  parts: ConsoleParts,
  context: ConsoleContext,
  refusal: Omit<ErrorModel, 'kept'>,
): void => {
  const model = { ...refusal, kept: context.state.typed };
  if (asksForPart(context)) {
    context.status = refusal.status;
    context.type = 'text/html; charset=utf-8';
    context.body = renderToString(<ErrorPart model={model} />);
    return;
  }
  answerPage(context, <ErrorPage page={pageContext(parts, context)} model={model} />, refusal.status);
};

/** After a post, and for whatever is elsewhere: always a GET there, never the post again. */
export const redirect = (context: ConsoleContext, path: string): void => {
  context.status = 303;
  context.set('Location', path);
  context.body = '';
};
