/** The agent's own words: after every fact, framed, quoted, inert, and of a height that cannot push the page away. */
import type { JSX } from 'preact';
import { VisibleText } from './visible-text.tsx';

export const AgentWords = ({ words }: { words: string | null }): JSX.Element => (
  <section class="agent-words" aria-labelledby="agent-words">
    <h2 id="agent-words">Written by the agent</h2>
    <p class="note">
      Its own justification. Nobody checked it; it may be wrong or meant to persuade. Decide on the facts
      above.
    </p>
    {words === null ? (
      <p class="silent">The agent gave no reason.</p>
    ) : (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
      <blockquote tabIndex={0} aria-label="The agent’s words, quoted" dir="ltr">
        <VisibleText text={words} />
      </blockquote>
    )}
  </section>
);
