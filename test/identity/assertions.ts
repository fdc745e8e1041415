/** One good assertion of each version, and the means to change one thing about it. */
import { generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { expect, it } from 'vitest';
import { createAssertionVerifier } from '../../src/identity/assertion-verifier.ts';
import { parseKeySet } from '../../src/identity/parse-key-set.ts';
import { parseTrustedTenants } from '../../src/identity/trusted-tenants.ts';
import type { AssertionReason } from '../../src/reasons/assertion.ts';

export const TENANT = '0d6a3c1e-5a44-4c3e-9d0f-3a7f6b1c2d01';
export const OTHER_TENANT = '0d6a3c1e-5a44-4c3e-9d0f-3a7f6b1c2d02';
export const CLIENT = '6f1b2a3c-0000-4000-8000-00000000c001';
export const OBJECT = '6f1b2a3c-0000-4000-8000-00000000b001';
/** The application id of our own registration. */
export const AUDIENCE = '6f1b2a3c-0000-4000-8000-00000000a001';
export const V2_ISSUER = `https://login.microsoftonline.com/${TENANT}/v2.0`;
export const V1_ISSUER = `https://sts.windows.net/${TENANT}/`;

export const NOW = new Date('2026-03-01T12:00:00Z');
export const NOW_SECONDS = NOW.getTime() / 1000;
export const HOUR = 3_600;

export type Json = Record<string, unknown>;

export type SigningPair = { readonly kid: string; readonly privateKey: KeyObject; readonly jwk: JsonWebKey };

export const newPair = (kid: string, modulusLength = 2_048): SigningPair => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' } };
};

export const currentKey = newPair('current-key');
export const foreignKey = newPair('foreign-key');

export const v2Header = (): Json => ({ typ: 'JWT', alg: 'RS256', kid: currentKey.kid });

/** What Entra puts into a version 2.0 app-only token. */
export const v2Claims = (): Json => ({
  aud: AUDIENCE,
  iss: V2_ISSUER,
  iat: NOW_SECONDS - 300,
  nbf: NOW_SECONDS - 300,
  exp: NOW_SECONDS + HOUR,
  aio: 'k2RgYHjWVbGh7+8nSQA=',
  azp: CLIENT,
  azpacr: '1',
  idtyp: 'app',
  oid: OBJECT,
  rh: '1.AXkA.',
  roles: ['Agent.Exchange'],
  sub: OBJECT,
  tid: TENANT,
  uti: 'tWc3xMTa_U-NLrOSTmAaAA',
  ver: '2.0',
  xms_ftd: 'opaque',
});

/** The same workload's version 1.0 token. */
export const v1Claims = (): Json => {
  const { azp, azpacr, ...common } = v2Claims();
  const appUri = { aud: 'api://countersign', iss: V1_ISSUER, ver: '1.0' };
  return { ...common, ...appUri, appid: azp, appidacr: azpacr, idp: V1_ISSUER };
};

const encode = (part: Json | string): string =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

/** Signs as Entra does; a part given as a string is taken byte for byte. */
export const signRs256 = (
  header: Json | string,
  payload: Json | string,
  { privateKey } = currentKey,
): string => {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
};

/** A good version 2.0 assertion but for these members; `undefined` leaves one out. */
export const v2Assertion = (claims: Json = {}, header: Json = {}): string =>
  signRs256({ ...v2Header(), ...header }, { ...v2Claims(), ...claims });

export const v1Assertion = (claims: Json = {}): string => signRs256(v2Header(), { ...v1Claims(), ...claims });

export const TENANTS = `
- tenant: ${TENANT}
  versions: ['1.0', '2.0']
  audiences: [${AUDIENCE}, api://countersign]
`;

/**
 * A verifier that trusts `tenants`, whose issuers all publish these keys. `sought` lists what it asked keys for.
 */
export const verifierOf = async (tenantsYaml = TENANTS, published: readonly object[] = [currentKey.jwk]) => {
  const tenants = parseTrustedTenants(tenantsYaml);
  const sought: string[] = [];
  const sets = new Map(
    await Promise.all(
      tenants.flatMap(({ tenantId, issuers }) =>
        issuers.map(async ({ issuer }) => {
          const text = JSON.stringify({ keys: published });
          return [issuer, await parseKeySet(text, { issuer, tenantId })] as const;
        }),
      ),
    ),
  );
  const keys = {
    find: async (issuer: string, keyId: string) => {
      sought.push(`${issuer} ${keyId}`);
      return sets.get(issuer)?.keys.get(keyId) ?? 'unknown';
    },
  };
  const verify = createAssertionVerifier({ tenants, keys });
  return { verify: (assertion: string, now = NOW) => verify(assertion, now), sought };
};

type Verify = Awaited<ReturnType<typeof verifierOf>>['verify'];

/** Makes one test of each case: what the assertion is, and that it is refused for this reason. */
export const refuser =
  (verify: Verify) =>
  (reason: AssertionReason, cases: readonly (readonly [what: string, assertion: string])[]): void => {
    it.each(cases)(`refuses as ${reason}: %s`, async (_what, assertion) => {
      expect(await verify(assertion)).toEqual({ reason });
    });
  };
