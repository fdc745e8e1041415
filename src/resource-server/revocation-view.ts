/**
 * What this process knows to be taken back, and how old that knowledge is.
 * - It only grows: nothing that was revoked becomes good again, so an answer that is repeated, or that comes from a
 *   replica a moment behind, cannot bring a token back. What no unexpired token can need is forgotten, by the broker's clock.
 * - A delta counts only where it goes on from the place that was reached: one that was made for another reader is as
 *   well signed, and would leave a gap.
 * - Its age is told by two clocks and the worse one counts: the monotonic one since the answer came, which nobody
 *   sets, and the wall clock since the answer was made, which an answer kept back or repeated cannot cheat.
 * - Memory is bounded by not taking an answer that is too much; then the view grows stale, and calls are refused.
 */
import { NOT_BEFORE_KINDS, type NotBeforeKind, type RevocationAnswer } from './revocation-answer.ts';
import type { VerifiedAccessToken } from './verified-access-token.ts';

export type RevocationClocks = {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds since any fixed moment; never set back. */
  readonly monotonic: () => number;
  /** Difference between this clock and the broker's that is forgiven. */
  readonly clockToleranceSeconds: number;
};

/** What decides about one token. */
export type TokenFacts = Pick<
  VerifiedAccessToken,
  'tokenId' | 'agent' | 'audience' | 'environment' | 'issuedAt'
> & {
  /** `kid`: the key that signed it. */
  readonly keyId: string;
};

export type RevocationView = {
  /** The place that was reached; null before the first answer. */
  readonly cursor: () => string | null;
  /** Takes a verified answer over, all of it or nothing. @throws Error telling why it cannot be taken */
  readonly take: (answer: RevocationAnswer) => void;
  readonly isRevoked: (token: TokenFacts) => boolean;
  /** Whether what the key signs at `issuedAt` is refused. */
  readonly isKeyWithdrawn: (facts: Pick<TokenFacts, 'keyId' | 'issuedAt'>) => boolean;
  /** Milliseconds since the epoch, by this clock, at which a key was told to be withdrawn last; `-Infinity`: never. */
  readonly keyWithdrawnAt: () => number;
  /** Seconds since all of this was true; `Infinity` before the first answer. */
  readonly ageSeconds: () => number;
};

/** Entries kept, some 100 bytes each. Tokens live for minutes: so many are revoked by a block or with their key, which is one entry. */
const ENTRIES_MAX = 100_000;
/** Past their expiry, so that clocks that differ cannot accept a token whose entry is forgotten. */
const EXPIRED_KEPT_SECONDS = 60;
/** An order of magnitude above the longest life of a token. */
const NOT_BEFORE_KEPT_SECONDS = 3_600;

const forgetOlder = (entries: Map<string, number>, time: number): void => {
  for (const [name, at] of entries) if (at < time) entries.delete(name);
};
const keepLatest = (entries: Map<string, number>, [name, time]: readonly [string, number]): void => {
  entries.set(name, Math.max(time, entries.get(name) ?? 0));
};

export const createRevocationView = (clocks: RevocationClocks, entriesMax = ENTRIES_MAX): RevocationView => {
  const tolerance = clocks.clockToleranceSeconds;
  const revoked = new Map<string, number>();
  const notBefore: Readonly<Record<NotBeforeKind, Map<string, number>>> = {
    keys: new Map(),
    agents: new Map(),
    audiences: new Map(),
    environments: new Map(),
  };
  const maps = [revoked, ...NOT_BEFORE_KINDS.map((kind) => notBefore[kind])];
  let globalNotBefore = 0;
  let keyWithdrawnAt = Number.NEGATIVE_INFINITY;
  let reached: { readonly cursor: string; readonly issuedAt: number; readonly at: number } | null = null;

  const forgetPast = (seconds: number): void => {
    forgetOlder(revoked, seconds - EXPIRED_KEPT_SECONDS - 2 * tolerance);
    for (const kind of NOT_BEFORE_KINDS) forgetOlder(notBefore[kind], seconds - NOT_BEFORE_KEPT_SECONDS);
  };
  const checkRoom = ({ revoked: more, notBefore: times }: RevocationAnswer): void => {
    const known = maps.reduce((sum, { size }) => sum + size, 0);
    const coming = NOT_BEFORE_KINDS.reduce((sum, kind) => sum + times[kind].length, more.length);
    if (known + coming > entriesMax) throw new Error(`there are more than ${entriesMax} revocations`);
  };

  const isKeyWithdrawn: RevocationView['isKeyWithdrawn'] = ({ keyId, issuedAt }) =>
    issuedAt <= (notBefore.keys.get(keyId) ?? 0);

  const take = (answer: RevocationAnswer): void => {
    const { issuedAt, cursor, after } = answer;
    if (issuedAt > clocks.now() / 1_000 + tolerance) throw new Error('the answer is from the future');
    if (reached !== null && issuedAt < reached.issuedAt - tolerance)
      throw new Error('the answer is older than one before it');
    if (after !== null && after !== reached?.cursor)
      throw new Error('the answer goes on from another place than the one that was reached');
    forgetPast(Math.max(issuedAt, reached?.issuedAt ?? 0));
    checkRoom(answer);
    if (answer.notBefore.keys.some(([keyId, issuedAt]) => !isKeyWithdrawn({ keyId, issuedAt })))
      keyWithdrawnAt = clocks.now();
    for (const entry of answer.revoked) keepLatest(revoked, entry);
    for (const kind of NOT_BEFORE_KINDS)
      for (const entry of answer.notBefore[kind]) keepLatest(notBefore[kind], entry);
    globalNotBefore = Math.max(globalNotBefore, answer.globalNotBefore ?? 0);
    // An older one tells nothing about now.
    reached =
      reached !== null && issuedAt < reached.issuedAt
        ? { ...reached, cursor }
        : { cursor, issuedAt, at: clocks.monotonic() };
  };

  const isRevoked: RevocationView['isRevoked'] = ({
    tokenId,
    keyId,
    agent,
    audience,
    environment,
    issuedAt,
  }) =>
    revoked.has(tokenId) ||
    issuedAt <= globalNotBefore ||
    isKeyWithdrawn({ keyId, issuedAt }) ||
    issuedAt <= (notBefore.agents.get(agent) ?? 0) ||
    issuedAt <= (notBefore.audiences.get(audience) ?? 0) ||
    (environment !== null && issuedAt <= (notBefore.environments.get(environment) ?? 0));

  const ageSeconds = (): number => {
    if (reached === null) return Number.POSITIVE_INFINITY;
    const sinceItCame = (clocks.monotonic() - reached.at) / 1_000;
    const sinceItWasMade = clocks.now() / 1_000 - reached.issuedAt - tolerance;
    return Math.max(sinceItCame, sinceItWasMade);
  };
  return {
    cursor: () => reached?.cursor ?? null,
    take,
    isRevoked,
    isKeyWithdrawn,
    keyWithdrawnAt: () => keyWithdrawnAt,
    ageSeconds,
  };
};
