/**
 * JSON as I-JSON (RFC 7493) has it, for everything that strangers send. JSON.parse takes the last of two members
 * of the same name where another reader takes the first (RFC 7519 section 4, RFC 7515 section 10.12), recurses as
 * deep as the sender likes in whatever walks the result, and lets NUL and lone surrogates through, which
 * PostgreSQL then refuses with an error.
 */

/** Deeper than any document meant for us; beyond it lies only abuse of recursive readers. */
const DEPTH_MAX = 32;

export type StrictJson =
  | { readonly value: unknown; readonly problem?: undefined }
  /** `duplicate`: an object names a member twice; `malformed`: anything else. */
  | { readonly problem: 'duplicate' | 'malformed'; readonly value?: undefined };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const isOpening = (code: number): boolean => code === 0x7b || code === 0x5b;
const isClosing = (code: number): boolean => code === 0x7d || code === 0x5d;

/** Whether an odd number of backslashes stands before `index`. */
const isEscaped = (text: string, index: number): boolean => {
  let first = index;
  while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
  return (index - first) % 2 === 1;
};

/** The index of the quote that ends the string opened at `start`; the text's length if none does. */
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
};

/**
 * Whether the string from `start` to `end` is a member's name that is written with an escape. V8 13.6 (Node 24, 26) takes
 * such a name for another one once it has parsed a text with that (nodejs/node#63785), so that names can be hidden from us.
 */
const isEscapedName = (text: string, start: number, end: number): boolean => {
  if (!text.slice(start, end).includes('\\')) return false;
  let next = end + 1;
  while (' \t\n\r'.includes(text.charAt(next)) && next < text.length) next += 1;
  return text.charCodeAt(next) === COLON;
};

/**
 * How many members the text writes down: colons outside strings. Null if it nests too deeply, or writes a name with an
 * escape, which nobody does who means well.
 */
const countWrittenMembers = (text: string): number | null => {
  const escapes = text.includes('\\');
  let members = 0;
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      const end = endOfString(text, index);
      if (escapes && isEscapedName(text, index, end)) return null;
      index = end;
    } else if (code === COLON) members += 1;
    else if (isOpening(code)) depth += 1;
    else if (isClosing(code)) depth -= 1;
    if (depth > DEPTH_MAX) return null;
  }
  return members;
};

const isCleanText = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** How many members the parsed value has, duplicates merged. Null if a text in it is not clean. */
const countParsedMembers = (value: unknown): number | null => {
  if (typeof value === 'string') return isCleanText(value) ? 0 : null;
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  for (const [name, member] of Object.entries(value)) {
    const within = countParsedMembers(member);
    if (within === null || !isCleanText(name)) return null;
    members += within + (Array.isArray(value) ? 0 : 1);
  }
  return members;
};

/** Parses JSON of which every object names each member once, of clean text and bounded depth. */
export const parseStrictJson = (text: string): StrictJson => {
  const written = countWrittenMembers(text);
  if (written === null) return { problem: 'malformed' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: 'malformed' };
  }
  const parsed = countParsedMembers(value);
  if (parsed === null) return { problem: 'malformed' };
  return parsed === written ? { value } : { problem: 'duplicate' };
};

/** Whether a parsed value is a JSON object. */
export const isJsonObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
