/** RFC 8785 bytes and their digests: one spelling of a value, so that equal things have equal digests. */
import { hash } from 'node:crypto';

/** Text that JSON writes as it is: most of ours. */
const PLAIN_TEXT = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

const stringText = (text: string): string => {
  if (PLAIN_TEXT.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate is not JSON text');
  return JSON.stringify(text);
};

/** Up to so many names, sorting by insertion takes half the time of `sort`, and no memory. */
const FEW_NAMES = 24;

/** Orders names by their UTF-16 code units (section 3.2.3), which is how `<` and `sort` compare. */
const sortNames = (names: string[]): string[] => {
  if (names.length > FEW_NAMES) return names.sort();
  for (const [index, name] of names.entries()) {
    let place = index;
    for (let before = names[place - 1]; before !== undefined && before > name; before = names[place - 1]) {
      names[place] = before;
      place -= 1;
    }
    names[place] = name;
  }
  return names;
};

const objectText = (object: Readonly<Record<string, unknown>>): string => {
  let text = '';
  for (const name of sortNames(Object.keys(object))) {
    const member = object[name];
    if (member !== undefined) text += `${text === '' ? '' : ','}${stringText(name)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
};

const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value));

/**
 * The RFC 8785 form of a JSON value; numbers and strings are spelled as ECMAScript does (sections 3.2.2.2 and 3.2.2.3).
 * A member that is undefined is absent. Throws a TypeError on what JSON cannot hold: NaN, lone surrogates, a date.
 */
export const canonicalJson = (value: unknown): string => {
  if (typeof value === 'string') return stringText(value);
  if (typeof value === 'boolean' || value === null) return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (isPlainObject(value)) return objectText(value);
  throw new TypeError('not a JSON value');
};

/** SHA-256 of text, lower-case hex. */
export const sha256 = (text: string): string => hash('sha256', text, 'hex');

/** SHA-256 of the RFC 8785 form of a JSON value, lower-case hex. */
export const digestOf = (value: unknown): string => sha256(canonicalJson(value));
