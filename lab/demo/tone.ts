/** Colours say what the words beside them say: it went well, somebody is awaited, it was refused. */

export type Tone = 'good' | 'wait' | 'bad' | 'plain';

const TONES: Readonly<Record<string, Tone>> = {
  // What policy decides of a story.
  permit: 'good',
  needs_approval: 'wait',
  deny: 'bad',
  // States of a run, and steps of an agent.
  done: 'good',
  waiting: 'wait',
  refused: 'bad',
  failed: 'bad',
  token: 'good',
  called: 'good',
  trouble: 'wait',
  // Events of a trace.
  'approval.given': 'good',
  'grant.opened': 'good',
  'token.issued': 'good',
  'token.used': 'good',
  'request.opened': 'wait',
  'request.refused': 'bad',
  'approval.refused': 'bad',
  'denial.given': 'bad',
};

/** The tone of a decision, a state, a step or an event, by its name. */
export const toneOf = (name: string): Tone => TONES[name] ?? 'plain';
