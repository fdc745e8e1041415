/** RFC 8785 bytes and their digests: one spelling of a value, so that equal things have equal digests. */
import { hash } from 'node:crypto';

const stringText = (text: string): string => {
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate is not JSON text');
  return JSON.stringify(text);
};

/** Members by their names' UTF-16 code units (section 3.2.3), which is how `sort` compares. */
const objectText = (object: Readonly<Record<string, unknown>>): string => {
  let text = '';
  for (const name of Object.keys(object).sort()) {
    const member = object[name];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${stringText(name)}:${canonicalJson(member)}`;
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
