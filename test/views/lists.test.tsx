import { renderToString } from 'preact-render-to-string';
import { expect, it } from 'vitest';
import { Tokens, type TokensModel } from '../../views/tokens-page.tsx';
import { Trace, type TraceModel } from '../../views/trace-page.tsx';

const NOW = new Date('2026-01-31T12:00:00Z');
const textOf = (html: string): string => html.replaceAll(/<[^>]+>/g, '');

const eventAt = (milliseconds: number): TraceModel['events'][number] => ({
  position: milliseconds,
  name: 'policy.decided',
  tone: 'bad',
  recordedAt: new Date(NOW.getTime() + milliseconds),
  agent: null,
  requestId: 'areq_1',
  facts: [],
  refusal: null,
  repeats: null,
});

it.each([
  [[0], '1 event on 2026-01-31.'],
  [[0, 0], '2 events on 2026-01-31.'],
  [[0, 12], '2 events on 2026-01-31, over 12 ms.'],
  [[0, 43_200_000], '2 events on 2026-01-31 to 2026-02-01, over 12 hours.'],
])('a trace with events at %j says: %s', (times, words) => {
  const model: TraceModel = { requestId: 'areq_1', request: null, refused: null, events: times.map(eventAt) };
  expect(textOf(renderToString(<Trace model={model} />))).toContain(words);
});

it.each([
  ['', 'None was issued yet.'],
  ['ops-agent', 'None matches this search.'],
])('no token for “%s” says: %s', (agent, words) => {
  const model: TokensModel = {
    filters: { jti: '', agent, audience: '', request: '', state: '' },
    problems: {},
    phases: [],
    items: [],
    now: NOW,
    next: null,
  };
  expect(textOf(renderToString(<Tokens model={model} />))).toContain(words);
});
