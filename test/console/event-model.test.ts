import { expect, it } from 'vitest';
import { eventModel } from '../../src/console/event-model.ts';

const event = {
  position: 1,
  recordedAt: new Date('2026-01-31T12:00:00Z'),
  name: 'request.refused',
  requestId: 'areq_1',
  agentId: 'reporting-agent',
  body: { name: 'request.refused', audience: 'api://nothing', scopes: [] },
};

it('leads with no fact that says nothing, and still has it among the facts', () => {
  const { facts } = eventModel(event, () => null);
  expect(facts.map(({ name, leading }) => [name, leading])).toEqual([
    ['audience', true],
    ['scopes', false],
  ]);
});
