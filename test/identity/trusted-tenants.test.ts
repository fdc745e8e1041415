import { describe, expect, it } from 'vitest';
import { parseTrustedTenants } from '../../src/identity/trusted-tenants.ts';

const TENANT = '0d6a3c1e-5a44-4c3e-9d0f-3a7f6b1c2d01';
const APP = '6f1b2a3c-0000-4000-8000-00000000a001';

const addresses = (yaml: string): string[][] =>
  parseTrustedTenants(yaml).flatMap(({ issuers }) =>
    issuers.map(({ version, issuer, keysUrl }) => [version, issuer, keysUrl]),
  );

const problemsOf = (yaml: string): string => {
  try {
    parseTrustedTenants(yaml);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'none';
};

describe('the trusted tenants', () => {
  it('default to the public cloud, version 2.0, no required role, idtyp demanded', () => {
    expect(parseTrustedTenants(`[{ tenant: ${TENANT}, audiences: [${APP}] }]`)).toEqual([
      {
        tenantId: TENANT,
        authority: 'https://login.microsoftonline.com',
        privateAuthority: false,
        issuers: [
          {
            version: '2.0',
            issuer: `https://login.microsoftonline.com/${TENANT}/v2.0`,
            keysUrl: `https://login.microsoftonline.com/${TENANT}/discovery/v2.0/keys`,
            audiences: [APP],
          },
        ],
        requiredRoles: [],
        allowMissingIdtyp: false,
        strictReplay: false,
      },
    ]);
  });

  it.each([
    ['public', 'https://sts.windows.net', 'https://login.microsoftonline.com'],
    ['usgov', 'https://sts.windows.net', 'https://login.microsoftonline.us'],
    ['china', 'https://sts.chinacloudapi.cn', 'https://login.partner.microsoftonline.cn'],
    ['https://127.0.0.1:8410', 'https://127.0.0.1:8410', 'https://127.0.0.1:8410'],
    ['https://127.0.0.1:8410/', 'https://127.0.0.1:8410', 'https://127.0.0.1:8410'],
  ])('of %s have the issuers and key addresses of that cloud', (cloud, v1, authority) => {
    const yaml = `[{ tenant: ${TENANT}, cloud: '${cloud}', versions: [1.0, 2.0], audiences: [${APP}] }]`;
    expect(addresses(yaml)).toEqual([
      ['1.0', `${v1}/${TENANT}/`, `${authority}/${TENANT}/discovery/keys`],
      ['2.0', `${authority}/${TENANT}/v2.0`, `${authority}/${TENANT}/discovery/v2.0/keys`],
    ]);
  });

  it('may spell versions as text, as numbers and with a v', () => {
    const yaml = `[{ tenant: ${TENANT}, versions: [v1, '1.0', 2, "v2.0"], audiences: [${APP}] }]`;
    expect(addresses(yaml).map(([version]) => version)).toEqual(['1.0', '2.0']);
  });

  it('accept App ID URIs in version 1.0 only, application ids in both', () => {
    const yaml = `[{ tenant: ${TENANT.toUpperCase()}, versions: [1.0, 2.0], audiences: [api://x, ${APP.toUpperCase()}] }]`;
    expect(parseTrustedTenants(yaml)[0]).toMatchObject({
      tenantId: TENANT,
      issuers: [{ audiences: ['api://x', APP] }, { audiences: [APP] }],
    });
  });

  it.each(['common', 'organizations', 'consumers', 'COMMON', '9188040d-6c67-4c5b-b112-36a304b66dad'])(
    'are never %s: that is no single tenant (F-K1)',
    (tenant) => {
      expect(problemsOf(`[{ tenant: ${tenant}, audiences: [${APP}] }]`)).toBe(
        'entry 1, tenant: names no single tenant; list each tenant by its GUID',
      );
    },
  );

  it.each([
    ['no tenant at all', '[]', 'must list at least one tenant'],
    ['nothing', '', 'expected array'],
    ['no YAML', '- {a: [', 'not readable as YAML'],
    ['a name for a tenant', `[{ tenant: contoso, audiences: [${APP}] }]`, 'must be the GUID of a tenant'],
    ['an unknown cloud', `[{ tenant: ${TENANT}, cloud: mars, audiences: [${APP}] }]`, 'public, usgov, china'],
    [
      'an http authority',
      `[{ tenant: ${TENANT}, cloud: 'http://a.b', audiences: [${APP}] }]`,
      'https:// URL',
    ],
    ['a path', `[{ tenant: ${TENANT}, cloud: 'https://a.b/c', audiences: [${APP}] }]`, 'without a path'],
    ['user info', `[{ tenant: ${TENANT}, cloud: 'https://a@b.c', audiences: [${APP}] }]`, 'https:// URL'],
    ['a third version', `[{ tenant: ${TENANT}, versions: [3], audiences: [${APP}] }]`, 'must be 1.0 or 2.0'],
    ['no audience', `[{ tenant: ${TENANT}, audiences: [] }]`, 'must name at least one audience'],
    ['a URI for version 2.0', `[{ tenant: ${TENANT}, audiences: [api://x] }]`, 'list it as a GUID'],
    ['a URI nobody sends', `[{ tenant: ${TENANT}, audiences: [api://x, ${APP}] }]`, 'does not list'],
    ['a misspelt setting', `[{ tenant: ${TENANT}, audiences: [${APP}], role: [a] }]`, '"role"'],
    [
      'a tenant twice',
      `[{ tenant: ${TENANT}, audiences: [${APP}] }, { tenant: ${TENANT}, audiences: [${APP}] }]`,
      'entry 2, tenant: is listed twice',
    ],
  ])('are refused, saying why: %s', (_what, yaml, problem) => {
    expect(problemsOf(yaml)).toContain(problem);
  });

  it('tell every problem at once', () => {
    expect(
      problemsOf('[{ tenant: common, audiences: [] }, { tenant: x, cloud: y, audiences: [z] }]').split('\n'),
    ).toHaveLength(5);
  });
});
