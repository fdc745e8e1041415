/** The facts of one audit event. They may hold what strangers sent, so every value is shown as visible text. */
import type { JSX } from 'preact';
import type { RefusalModel, RepeatsModel } from './refusal-note.tsx';
import { VisibleText } from './visible-text.tsx';

export type EventFact = {
  readonly name: string;
  readonly value: string;
  /** A shorter form for a line, where there is one. */
  readonly brief?: string;
  /** Whether it belongs in the line one reads first; the rest is one click away. */
  readonly leading: boolean;
};

/** What an event means at a glance; the colour only repeats what its name says. */
export type Tone = 'good' | 'bad' | 'open' | 'end' | 'plain';

export type EventModel = {
  readonly position: number;
  readonly name: string;
  readonly tone: Tone;
  readonly recordedAt: Date;
  readonly agent: string | null;
  readonly requestId: string | null;
  readonly facts: readonly EventFact[];
  /** Why, where the event refuses. */
  readonly refusal: RefusalModel | null;
  readonly repeats: RepeatsModel | null;
};

/** Longest value in a line of facts, UTF-8 bytes. */
const LINE_MAX_BYTES = 160;

export const LeadingFacts = ({ event }: { event: EventModel }): JSX.Element => (
  <span class="leading-facts">
    {event.facts
      .filter((fact) => fact.leading)
      .map((fact) => (
        <span class="leading-fact">
          <span class="fact-name">{fact.name}</span>{' '}
          <VisibleText text={fact.brief ?? fact.value} maxBytes={LINE_MAX_BYTES} />
        </span>
      ))}
  </span>
);

export const AllFacts = ({ event }: { event: EventModel }): JSX.Element => (
  <details class="all-facts">
    <summary>
      Facts <span class="hidden">of event {event.position}</span>
    </summary>
    <dl>
      {event.facts.map((fact) => (
        <div class="fact">
          <dt>{fact.name}</dt>
          <dd>
            <VisibleText text={fact.value} />
          </dd>
        </div>
      ))}
    </dl>
  </details>
);
