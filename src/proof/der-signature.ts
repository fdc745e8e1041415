/**
 * Turns an ECDSA signature of JOSE, r and s side by side (RFC 7518 section 3.4), into the DER that the cryptographic
 * library works on. The library can do that itself, at half the price of the whole verification again.
 */

const INTEGER = 0x02;
const SEQUENCE = 0x30;
/** Of r and of s, for P-256. */
const NUMBER_BYTES = 32;

/** Writes a DER integer at `at`: no leading zeros but the one that keeps it positive. Returns where it ends. */
const writeInteger = (der: Buffer, at: number, number: Buffer): number => {
  let start = 0;
  while (start < number.length - 1 && number[start] === 0) start += 1;
  const isNegative = (number[start] ?? 0) >= 0x80;
  const length = number.length - start + Number(isNegative);
  der[at] = INTEGER;
  der[at + 1] = length;
  der[at + 2] = 0;
  number.copy(der, at + 2 + Number(isNegative), start);
  return at + 2 + length;
};

/** Null if it is not two numbers of P-256. */
export const derSignature = (signature: Buffer): Buffer | null => {
  if (signature.length !== 2 * NUMBER_BYTES) return null;
  const der = Buffer.alloc(2 + 2 * (3 + NUMBER_BYTES));
  const middle = writeInteger(der, 2, signature.subarray(0, NUMBER_BYTES));
  const end = writeInteger(der, middle, signature.subarray(NUMBER_BYTES));
  der[0] = SEQUENCE;
  der[1] = end - 2;
  return der.subarray(0, end);
};
