import { expect, it } from 'vitest';
import { preferredWaitSeconds } from '../../src/http/preferred-wait.ts';

it.each([
  ['', null],
  ['wait=5', 5],
  ['wait=0', 0],
  ['respond-async, wait=10', 10],
  ['Wait = "7"', 7],
  ['wait=31', 30],
  ['wait=999999999', 30],
  ['wait=9999999999', null],
  ['wait=-1', null],
  ['wait=1.5', null],
  ['wait', null],
  ['await=3', null],
  ['wait=5; foo', 5],
  ['wait=5, wait=9', 5],
  ['unknown, WAIT=4', 4],
  ['other; wait=9', null],
  ['wait=x, return=minimal', null],
])('reads %j as %j', (prefer, seconds) => {
  expect(preferredWaitSeconds(prefer)).toBe(seconds);
});
