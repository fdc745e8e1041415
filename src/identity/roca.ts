/** Tells RSA moduli of the flawed generator of CVE-2017-15361 (ROCA), whose private keys can be computed. */

const GENERATOR = 65_537;

/** Small odd primes; every flawed modulus of 2048 bits and more is a power of the generator modulo each. */
const PRIMES: readonly number[] = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

const powersOfGenerator = (prime: number): ReadonlySet<number> => {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * GENERATOR) % prime) powers.add(power);
  return powers;
};

const FINGERPRINT = PRIMES.map((prime) => ({ prime: BigInt(prime), powers: powersOfGenerator(prime) }));

/** Whether a modulus (big-endian bytes) bears the generator's fingerprint. A sound one does by chance once in 10^8. */
export const isRocaModulus = (modulus: Buffer): boolean => {
  const n = BigInt(`0x${modulus.toString('hex')}`);
  return FINGERPRINT.every(({ prime, powers }) => powers.has(Number(n % prime)));
};
