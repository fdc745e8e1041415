/** Every reason for which anything is refused: what it means, what to do, what the caller saw, which event tells it. */
import type { JSX } from 'preact';
import { Layout, type PageContext } from './layout.tsx';
import type { RefusalModel } from './refusal-note.tsx';

export type ReasonModel = RefusalModel & { readonly events: readonly string[] };

export type ReasonsModel = readonly {
  /** For links within the page. */
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly reasons: readonly ReasonModel[];
}[];

const Reason = ({ reason, trail }: { reason: ReasonModel; trail: boolean }): JSX.Element => (
  <li class="reason" id={reason.code}>
    <h3>
      <code>{reason.code}</code>
    </h3>
    <div>
      <p>{reason.meaning}</p>
      <p class="why-advice">{reason.advice}</p>
      <p class="reason-facts">
        The caller sees {reason.seen}. Told as{' '}
        {reason.events.map((event, index) => (
          <>
            {index > 0 && ' or '}
            <code>{event}</code>
          </>
        ))}
        .{' '}
        {trail && (
          <a href={`/audit?reason=${reason.code}`} aria-label={`Events with ${reason.code}`}>
            Events
          </a>
        )}
      </p>
    </div>
  </li>
);

export const ReasonsPage = ({ page, model }: { page: PageContext; model: ReasonsModel }): JSX.Element => (
  <Layout page={page} title="Reasons" section="audit">
    <header class="page-head">
      <h1>Reasons</h1>
    </header>
    <nav class="contents" aria-label="On this page">
      <ul>
        {model.map(({ id, title }) => (
          <li>
            <a href={`#${id}`}>{title}</a>
          </li>
        ))}
      </ul>
    </nav>
    {model.map(({ id, title, text, reasons }) => (
      <section class="family" aria-labelledby={id}>
        <h2 id={id}>{title}</h2>
        <p class="note">{text}</p>
        <ul class="reasons">
          {reasons.map((reason) => (
            <Reason reason={reason} trail={page.viewer?.mayReadTrail ?? false} />
          ))}
        </ul>
      </section>
    ))}
  </Layout>
);
