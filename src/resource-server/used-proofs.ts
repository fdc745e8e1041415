/**
 * Which proofs this process has seen, so that each is good once (RFC 9449 section 11.1). Memory is bounded, and in no case
 * is a proof taken that may have been taken before:
 * - an agent may fill a share of it. It counts by agent, not by key: keys cost nothing. Who wants more waits, and takes
 *   nothing from others.
 * - when several together have filled it, the oldest second is given up with every proof made in it or before, so
 *   that what is forgotten is too old rather than good again: senders whose clock is right go on.
 * - one that was made before this process began may have been taken by the one before it.
 * - the last few seconds are never given up: nobody, by proofs made ahead, can make all of now too old. New proofs are
 *   refused then, whoever's.
 * Proofs are kept by the second they were made in; a call looks at a few counts whatever is kept.
 */
import { createHash } from 'node:crypto';
import { PROOF_MAX_AGE_SECONDS, type Proof } from '../proof/check-proof.ts';

/** Proofs remembered, some 150 bytes each: about a thousand calls a second before the window narrows. */
const PROOFS_MAX = 100_000;
/** Of one agent: 400 calls a second for as long as a proof is good. */
const SHARE = 1 / 4;
/** How far the window may narrow: what clocks that are kept may differ by, and the way. */
const NARROWEST_SECONDS = 10;

/** `proof_replayed`: taken before, or too old to tell; `too_many_proofs`: there is no room for another now. */
export type ProofMisuse = 'proof_replayed' | 'too_many_proofs';

/** Takes a proof of an agent at `now` (seconds), or tells what is wrong with it. */
export type TakeProof = (
  proof: Pick<Proof, 'thumbprint' | 'jti' | 'issuedAt'>,
  by: { readonly agent: string; readonly now: number },
) => ProofMisuse | null;

/** What an agent has in memory. */
type Share = { readonly agent: string; proofs: number };

/** `since`: when this process began to take proofs, seconds since the epoch. */
export const createUsedProofs = (since: number, proofsMax = PROOFS_MAX): TakeProof => {
  const shareMax = Math.ceil(proofsMax * SHARE);
  const taken = new Map<number, Map<string, Share>>();
  const shares = new Map<string, Share>();
  let size = 0;
  let lookedAt = Number.NEGATIVE_INFINITY;
  /** Proofs made in this second or before are not taken any more. */
  let givenUp = Math.floor(since) - 1;

  const giveUp = (second: number): void => {
    for (const share of taken.get(second)?.values() ?? []) {
      size -= 1;
      share.proofs -= 1;
      if (share.proofs === 0) shares.delete(share.agent);
    }
    taken.delete(second);
    givenUp = Math.max(givenUp, second);
  };
  /** Once a second: nothing passes in between. */
  const giveUpPassed = (now: number): void => {
    if (Math.floor(now) === lookedAt) return;
    lookedAt = Math.floor(now);
    for (const old of taken.keys()) if (old < now - PROOF_MAX_AGE_SECONDS - 1) giveUp(old);
  };
  const narrow = (now: number): void => {
    const oldest = Math.min(...taken.keys());
    if (oldest < now - NARROWEST_SECONDS) giveUp(oldest);
  };

  return ({ thumbprint, jti, issuedAt }, { agent, now }) => {
    const second = Math.floor(issuedAt);
    giveUpPassed(now);
    if (second <= givenUp) return 'proof_replayed';
    // A digest: a jti may be long.
    const name = createHash('sha256').update(`${thumbprint} ${jti}`).digest('base64url');
    if (taken.get(second)?.has(name)) return 'proof_replayed';
    const share = shares.get(agent) ?? { agent, proofs: 0 };
    if (share.proofs >= shareMax) return 'too_many_proofs';
    if (size >= proofsMax) narrow(now);
    if (second <= givenUp) return 'proof_replayed';
    if (size >= proofsMax) return 'too_many_proofs';
    const ofSecond = taken.get(second) ?? new Map<string, Share>();
    taken.set(second, ofSecond.set(name, share));
    shares.set(agent, share);
    share.proofs += 1;
    size += 1;
    return null;
  };
};
