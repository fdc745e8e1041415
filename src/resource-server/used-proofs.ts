/**
 * Which proofs this process has seen, so that each is good once (RFC 9449 section 11.1). Memory is bounded: proofs are
 * kept by the second they were made in, and when there is no more room the oldest second is given up together with
 * every proof made in it or before, so that a forgotten proof is too old rather than good again.
 */
import { createHash } from 'node:crypto';
import { PROOF_MAX_AGE_SECONDS, type Proof } from '../proof/check-proof.ts';

/** Proofs remembered, some 100 bytes each: about a thousand calls a second before the window narrows. */
const PROOFS_MAX = 100_000;

/** Takes a proof at `now` (seconds). False: it was taken before, or nobody can say any more. */
export type TakeProof = (proof: Proof, now: number) => boolean;

export const createUsedProofs = (proofsMax = PROOFS_MAX): TakeProof => {
  const taken = new Map<number, Set<string>>();
  let size = 0;
  /** Proofs made in this second or before are not taken any more. */
  let givenUp = Number.NEGATIVE_INFINITY;

  const giveUp = (second: number): void => {
    size -= taken.get(second)?.size ?? 0;
    taken.delete(second);
    givenUp = Math.max(givenUp, second);
  };

  return ({ thumbprint, jti, issuedAt }, now) => {
    const second = Math.floor(issuedAt);
    for (const old of taken.keys()) if (old < now - PROOF_MAX_AGE_SECONDS - 1) giveUp(old);
    if (second <= givenUp) return false;
    const ofSecond = taken.get(second) ?? new Set();
    // A digest: a jti may be long.
    const name = createHash('sha256').update(`${thumbprint} ${jti}`).digest('base64url');
    if (ofSecond.has(name)) return false;
    taken.set(second, ofSecond.add(name));
    size += 1;
    if (size > proofsMax) giveUp(Math.min(...taken.keys()));
    return true;
  };
};
