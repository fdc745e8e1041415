import type { SigningKey } from './signing-key.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A compact JWS (RFC 7515 section 7.1) of JSON. `typ` tells each kind from all others (RFC 8725 section 3.11). */
export const signJws = (key: SigningKey, typ: string, payload: Readonly<Record<string, unknown>>): string => {
  const signed = `${encode({ typ, alg: key.algorithm, kid: key.kid })}.${encode(payload)}`;
  return `${signed}.${key.sign(signed).toString('base64url')}`;
};
