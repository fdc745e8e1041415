/** RFC 8785 bytes and their digests: one spelling of a value, so that equal things have equal digests. */
import { createHash } from 'node:crypto';
import serialize from 'canonicalize';

/** The RFC 8785 form of a JSON value. Throws on what JSON cannot hold (undefined, NaN, lone surrogates). */
export const canonicalJson = (value: unknown): string => {
  const text = serialize(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return text;
};

/** SHA-256 of text, lower-case hex. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** SHA-256 of the RFC 8785 form of a JSON value, lower-case hex. */
export const digestOf = (value: unknown): string => sha256(canonicalJson(value));
