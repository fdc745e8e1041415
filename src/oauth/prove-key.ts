/** The key that a caller proves to hold (RFC 9449 section 5), if it sends a proof at all. */

import { hash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { createProofCheck } from '../proof/check-proof.ts';
import type { Nonces } from './dpop-nonce.ts';
import type { Checked } from './exchange-request.ts';

export type ProvenKey = {
  /** RFC 7638 thumbprint: what the request and its tokens are bound to. */
  readonly thumbprint: string;
  /** Names the proof, by its key and its `jti`: it is good once. Null once this exchange has used it. */
  readonly proofDigest: string | null;
};

/** Null where no proof was sent. `proofs`: the value of each `DPoP` header. */
export type ProveKey = (proofs: readonly string[]) => Checked<ProvenKey | null>;

/** `nonces`: null where none are demanded. Compares with the configured issuer: a Host header proves nothing. */
export const createKeyProver = (options: {
  readonly issuer: string;
  readonly nonces: Nonces | null;
  readonly clock: Clock;
}): ProveKey => {
  const { nonces, clock } = options;
  const checkProof = createProofCheck();
  const target = `${options.issuer}/token`;
  return (proofs) => {
    if (proofs.length === 0) return { value: null };
    const now = clock();
    const checked = checkProof(proofs, { method: 'POST', target, now: now.getTime() / 1000 });
    if ('reason' in checked) return checked;
    const { thumbprint, jti, nonce } = checked.proof;
    if (nonces !== null && (nonce === null || !nonces.isGood(nonce, now))) return { reason: 'proof_nonce' };
    return { value: { thumbprint, proofDigest: hash('sha256', `${thumbprint} ${jti}`, 'base64url') } };
  };
};
