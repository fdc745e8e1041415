/** Which addresses name the same resource (RFC 3986 sections 6.2.2 and 6.2.3), and which are none. */
import { expect, it } from 'vitest';
import { isSameTarget, normalizeTarget } from '../../src/proof/http-target.ts';

it.each([
  ['http://broker.example:80/token', 'http://broker.example/token'],
  ['HTTPS://Broker.Example:443', 'https://broker.example/'],
  ['https://broker.example?x=1', 'https://broker.example/#y'],
  ['https://broker.example/a/../%74oken', 'https://broker.example/token'],
  ['https://broker.example/%c3%a9', 'https://broker.example/%C3%A9'],
])('%s is the same as %s', (claimed, asked) => {
  expect(isSameTarget(claimed, asked)).toBe(true);
  expect(isSameTarget(asked, claimed)).toBe(true);
});

it.each([
  ['http://broker.example/token', 'https://broker.example/token'],
  ['https://broker.example/token/', 'https://broker.example/token'],
  ['https://broker.example/%2Ftoken', 'https://broker.example//token'],
])('%s is another than %s', (claimed, asked) => {
  expect(isSameTarget(claimed, asked)).toBe(false);
});

it.each([
  'ftp://broker.example/token',
  'xhttps://broker.example/token',
  'https://user@broker.example/token',
  'https:broker.example/token',
  'https://broker.example\\token',
  'https://broker.example/to ken',
  'https://broker.example/token\n',
  'https://',
  '',
])('%j is no http address, and the same as none', (address) => {
  expect(normalizeTarget(address)).toBeNull();
  expect(isSameTarget(address, 'https://broker.example/token')).toBe(false);
});
