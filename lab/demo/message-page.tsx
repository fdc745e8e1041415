/** What is not there, or was not done, and the way back. */
import type { JSX } from 'preact';
import { Layout } from './layout.tsx';

/** Also answered alone, where a story refreshes itself. */
export const Message = ({ text }: { text: string }): JSX.Element => (
  <section class="intro">
    <h1>{text}</h1>
    <p>
      <a class="button" href="/">
        Back to the stories
      </a>
    </p>
  </section>
);

export const MessagePage = ({ text }: { text: string }): JSX.Element => (
  <Layout title={text}>
    <Message text={text} />
  </Layout>
);
