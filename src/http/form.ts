/**
 * Reads `application/x-www-form-urlencoded` strictly (RFC 6749 section 3.2 and appendix B), before anything else
 * sees it. The parsers of frameworks and libraries silently drop what is too many, replace what is malformed and
 * let NUL through; here each of these is refused, so that every later reader sees the same parameters.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { type FormRefusal, readBody, refuseForm } from './body.ts';

const FORM_MAX_BYTES = 56 * 1_024;
/** The longest form of ours has about fifteen. */
const PARAMETERS_MAX = 100;

const FORM_TYPE = /^application\/x-www-form-urlencoded *(?:; *charset=("?)utf-8\1 *)?;?$/i;

/** RFC 8693 section 2.1 and RFC 8707 section 2 allow these more than once; the caller decides what that means. */
const REPEATABLE: ReadonlySet<string> = new Set(['audience', 'resource']);

/** Parameters that an address must never carry: addresses end up in logs and histories (RFC 9700 section 4.3.2). */
const NEVER_IN_QUERY: ReadonlySet<string> = new Set([
  'grant_type',
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'audience',
  'resource',
  'scope',
  'requested_token_type',
  'requested_expires_in',
  'request_id',
  'justification',
  'authorization_details',
  'token',
  'token_type_hint',
]);

/** The parameters of a form. An empty one counts as absent. */
export type Form = {
  readonly get: (name: string) => string | undefined;
  /** Every value of a parameter that may be repeated, in order. */
  readonly all: (name: string) => readonly string[];
};

const queryNames = (url: string | undefined): string[] => {
  const [, query] = /\?(.*)$/s.exec(url ?? '') ?? [];
  return query ? [...new URLSearchParams(query).keys()] : [];
};

/** Null for what is no percent-encoded UTF-8 text; lone surrogates are none. */
const decode = (text: string): string | null => {
  if (!/[%+\0]/.test(text)) return text;
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '));
    return decoded.includes('\0') ? null : decoded;
  } catch {
    return null;
  }
};

const parseForm = (body: string): Form | FormRefusal => {
  const parts = body.split('&', PARAMETERS_MAX + 1);
  if (parts.length > PARAMETERS_MAX) return refuseForm('parameters_too_many');
  const parameters = new Map<string, string[]>();
  for (const part of parts) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? '' : decode(part.slice(equals + 1));
    if (name === null || value === null) return refuseForm('form_encoding');
    const values = parameters.get(name);
    if (values === undefined) parameters.set(name, [value]);
    else if (REPEATABLE.has(name)) values.push(value);
    else return refuseForm('parameter_repeated');
  }
  const all = (name: string): readonly string[] =>
    (parameters.get(name) ?? []).filter((value) => value !== '');
  return { get: (name) => all(name)[0], all };
};

/** Reads the form of a POST, or tells (by `error`) why it is refused: other methods have none. Never throws for what a sender did. */
export const readForm = async (request: IncomingMessage): Promise<Form | FormRefusal> => {
  if (request.method !== 'POST') return refuseForm('method_not_post');
  const body = await readBody(request, FORM_MAX_BYTES);
  if (!Buffer.isBuffer(body)) return body;
  if (!FORM_TYPE.test(request.headers['content-type'] ?? '')) return refuseForm('content_type');
  if (queryNames(request.url).some((name) => NEVER_IN_QUERY.has(name)))
    return refuseForm('parameter_in_address');
  return isUtf8(body) ? parseForm(body.toString()) : refuseForm('form_encoding');
};
