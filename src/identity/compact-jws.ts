/**
 * The form of an assertion, checked before any library sees it: bounded, canonical, unambiguous. Whatever passes
 * has exactly one spelling, so its digest names it, and its JSON says the same to every reader. Nothing is
 * believed yet. Pure.
 */
import { isUtf8 } from 'node:buffer';
import { decodeBase64url } from '../base64url.ts';
import type { AssertionReason } from '../reasons/assertion.ts';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';

/** Entra's app-only tokens are 1 to 2 KB; many app roles make them longer, never this long. */
export const ASSERTION_MAX_CHARACTERS = 8_192;

type Members = Readonly<Record<string, unknown>>;

/** A compact JWS (RFC 7515 section 3.1) read but not verified. */
export type CompactJws = { readonly header: Members; readonly payload: Members };

const DUPLICATE = { reason: 'dup' } as const;
const MALFORMED = { reason: 'format' } as const;
const NOT_CANONICAL = { reason: 'encoding' } as const;

const readJsonPart = (part: string): { members: Members } | { reason: AssertionReason } => {
  const bytes = decodeBase64url(part);
  if (bytes === null || !isUtf8(bytes)) return NOT_CANONICAL;
  const { value, problem } = parseStrictJson(bytes.toString());
  if (problem === 'duplicate') return DUPLICATE;
  return isJsonObject(value) ? { members: value } : MALFORMED;
};

/** Reads header and payload of `assertion`, or tells why it is no assertion at all. */
export const parseCompactJws = (
  assertion: string,
  maxCharacters = ASSERTION_MAX_CHARACTERS,
): CompactJws | { reason: AssertionReason } => {
  if (assertion.length > maxCharacters) return { reason: 'size' };
  const [headerPart, payloadPart, signaturePart, ...rest] = assertion.split('.', 4);
  if (headerPart === undefined || payloadPart === undefined || signaturePart === undefined) return MALFORMED;
  if (rest.length > 0) return MALFORMED;
  const header = readJsonPart(headerPart);
  if ('reason' in header) return header;
  const payload = readJsonPart(payloadPart);
  if ('reason' in payload) return payload;
  if (decodeBase64url(signaturePart) === null) return NOT_CANONICAL;
  return { header: header.members, payload: payload.members };
};
