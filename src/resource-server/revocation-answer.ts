/** One answer of the broker's feed of revocations (`GET /revocations`), read from the payload of its signed form. Pure. */
import type { JWTPayload } from 'jose';
import { isJsonObject } from '../strict-json.ts';

/** The scopes of a not-before besides the global one, in wire spelling. */
export const NOT_BEFORE_KINDS = ['keys', 'agents', 'audiences', 'environments'] as const;
export type NotBeforeKind = (typeof NOT_BEFORE_KINDS)[number];

/** All times in seconds since the epoch. */
export type RevocationAnswer = {
  /** When the broker had seen all of it. */
  readonly issuedAt: number;
  /** Where the next answer goes on. */
  readonly cursor: string;
  /** Where this answer goes on from; null: it is a whole snapshot. */
  readonly after: string | null;
  /** `jti` and `exp` of revoked tokens. */
  readonly revoked: readonly (readonly [string, number])[];
  /** Tokens issued at this second or before are refused; null: the answer has none for everybody. */
  readonly globalNotBefore: number | null;
  /** The same for a signing key, an agent, an API, an environment. */
  readonly notBefore: Readonly<Record<NotBeforeKind, readonly (readonly [string, number])[]>>;
};

/** Longest name and cursor: far above what the broker makes, so that a count of entries bounds memory. */
const NAME_MAX_LENGTH = 512;

const malformed = (): never => {
  throw new Error('the answer is no feed of revocations');
};
const parseTime = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : malformed();
const parseName = (value: unknown): string =>
  typeof value === 'string' && value !== '' && value.length <= NAME_MAX_LENGTH ? value : malformed();

const parseRevoked = (value: unknown): [string, number] =>
  isJsonObject(value) ? [parseName(value.jti), parseTime(value.exp)] : malformed();

const parseTimes = (value: unknown): [string, number][] => {
  if (value === undefined) return [];
  if (!isJsonObject(value)) return malformed();
  return Object.entries(value).map(([name, time]) => [parseName(name), parseTime(time)]);
};

/** Reads a payload whose signature, type and issuer are known to be good. @throws Error when it is malformed in any part */
export const parseRevocationAnswer = (payload: JWTPayload): RevocationAnswer => {
  const { iat, cursor, after, complete, revoked, not_before } = payload;
  if (!Array.isArray(revoked) || !isJsonObject(not_before) || typeof complete !== 'boolean')
    return malformed();
  return {
    issuedAt: parseTime(iat),
    cursor: parseName(cursor),
    after: complete ? null : parseName(after),
    revoked: revoked.map(parseRevoked),
    globalNotBefore: not_before.global === undefined ? null : parseTime(not_before.global),
    notBefore: {
      keys: parseTimes(not_before.keys),
      agents: parseTimes(not_before.agents),
      audiences: parseTimes(not_before.audiences),
      environments: parseTimes(not_before.environments),
    },
  };
};
