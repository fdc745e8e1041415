/** What differs from what the agent did before, in words: facts of the broker's records, none of the agent's text. */
import type { JSX } from 'preact';
import { Scopes } from './scopes.tsx';
import { duration } from './words.ts';

/** `src/access/unusual.ts` finds them. */
export type UnusualFact =
  | { readonly kind: 'first_time' }
  | { readonly kind: 'never_allowed'; readonly attempts: number }
  | { readonly kind: 'new_scope'; readonly scopes: readonly string[] }
  | { readonly kind: 'longer'; readonly seconds: number; readonly longestBefore: number }
  | { readonly kind: 'off_hours'; readonly hour: number; readonly days: number }
  | { readonly kind: 'burst'; readonly count: number; readonly minutes: number };

const hourWords = (hour: number): string =>
  `${String(hour).padStart(2, '0')}:00 and ${String((hour + 1) % 24).padStart(2, '0')}:00 UTC`;

const Fact = ({ fact }: { fact: UnusualFact }): JSX.Element => {
  switch (fact.kind) {
    case 'first_time':
      return (
        <>
          <b>First time.</b> This agent never asked for this API before.
        </>
      );
    case 'never_allowed':
      return (
        <>
          <b>Never allowed so far.</b> It asked for this API{' '}
          {fact.attempts === 1 ? 'once' : `${fact.attempts} times`} before, and was never let in.
        </>
      );
    case 'new_scope':
      return (
        <>
          <b>New {fact.scopes.length === 1 ? 'action' : 'actions'}.</b> It was never allowed{' '}
          <Scopes scopes={fact.scopes} /> here before.
        </>
      );
    case 'longer':
      return (
        <>
          <b>Longer than usual.</b> {duration(fact.seconds)}; the longest so far was{' '}
          {duration(fact.longestBefore)}.
        </>
      );
    case 'off_hours':
      return (
        <>
          <b>Unusual hour.</b> On {fact.days} days it never asked around this time of day (between{' '}
          {hourWords(fact.hour)}).
        </>
      );
    case 'burst':
      return (
        <>
          <b>Many at once.</b> {fact.count} different requests for this API within {fact.minutes} minutes, far
          more than usual.
        </>
      );
  }
};

export const Unusual = ({ facts }: { facts: readonly UnusualFact[] }): JSX.Element => (
  <section class={`unusual${facts.length > 0 ? ' unusual-some' : ''}`} aria-labelledby="unusual">
    <h2 id="unusual">Compared with its history</h2>
    {facts.length === 0 ? (
      <p class="note">Nothing unusual: this agent was allowed the like at this API before.</p>
    ) : (
      <ul>
        {facts.map((fact) => (
          <li>
            <Fact fact={fact} />
          </li>
        ))}
      </ul>
    )}
  </section>
);
