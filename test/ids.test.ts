import { expect, it } from 'vitest';
import { newGrantId, newRequestId, newTokenId, newTraceId } from '../src/ids.ts';

it('makes ids of their form, each once, however many are made', () => {
  const makers = [newRequestId, newGrantId, newTokenId, newTraceId];
  const ids = Array.from({ length: 20_000 }, (_, index) => makers[index % makers.length]?.() ?? '');
  for (const [index, form] of [
    /^areq_[A-Za-z0-9_-]{22}$/,
    /^grant_[A-Za-z0-9_-]{22}$/,
    /^tok_[A-Za-z0-9_-]{22}$/,
    /^[0-9a-f]{32}$/,
  ].entries())
    expect(ids.filter((id, nth) => nth % 4 === index && !form.test(id))).toEqual([]);
  expect(new Set(ids.map((id) => id.replace(/^[a-z]+_/, ''))).size).toBe(ids.length);
});
