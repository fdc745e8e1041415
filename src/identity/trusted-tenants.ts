/**
 * The Entra tenants whose assertions count, from configuration alone. Issuer strings and key addresses are
 * composed here, once, from a tenant's GUID and a cloud that the operator named; nothing that a token says ever
 * leads to an address (octo-sts, CVE-2025-52477). The multi-tenant names (`common` and its like) are refused:
 * their keys and issuers speak for every tenant there is.
 */
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

/** `ver` of an Entra token. */
export type TokenVersion = '1.0' | '2.0';

/** What one token version of one tenant must say to be believed. */
export type IssuerTrust = {
  readonly version: TokenVersion;
  /** `iss`, compared as an exact string. */
  readonly issuer: string;
  /** Where this issuer publishes its keys. */
  readonly keysUrl: string;
  /** `aud`: one of these, as an exact string. Never empty. */
  readonly audiences: readonly string[];
};

/** A tenant that the operator trusts to name workloads. */
export type TrustedTenant = {
  /** Lower-case GUID, `tid`. */
  readonly tenantId: string;
  /** Origin of the cloud's login service, such as `https://login.microsoftonline.com`. */
  readonly authority: string;
  /** The authority was given as a URL: its certificate may come from COUNTERSIGN_ENTRA_CA. */
  readonly privateAuthority: boolean;
  /** One entry per accepted token version, at least one. */
  readonly issuers: readonly IssuerTrust[];
  /** App roles that every workload must carry; empty: none. */
  readonly requiredRoles: readonly string[];
  /** Accept app-only tokens of a registration that does not ask Entra for the `idtyp` claim. */
  readonly allowMissingIdtyp: boolean;
  /** One assertion may have one request open at a time. */
  readonly strictReplay: boolean;
};

type Cloud = { readonly authority: string; readonly v1Issuer: string };

/**
 * Microsoft's clouds by name. US Government tenants sign v1 tokens under the public cloud's issuer; China has
 * both its own.
 */
export const CLOUDS: Readonly<Record<'public' | 'usgov' | 'china', Cloud>> = {
  public: { authority: 'https://login.microsoftonline.com', v1Issuer: 'https://sts.windows.net' },
  usgov: { authority: 'https://login.microsoftonline.us', v1Issuer: 'https://sts.windows.net' },
  china: {
    authority: 'https://login.partner.microsoftonline.cn',
    v1Issuer: 'https://sts.chinacloudapi.cn',
  },
};

/** The tenant of personal Microsoft accounts: nobody's workloads live there. */
const CONSUMER_TENANT = '9188040d-6c67-4c5b-b112-36a304b66dad';
const MULTI_TENANT_NAMES: readonly string[] = ['common', 'organizations', 'consumers', CONSUMER_TENANT];

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether `value` is a GUID as Entra writes it: lower case, with hyphens, without braces. */
export const isGuid = (value: unknown): value is string => typeof value === 'string' && GUID.test(value);

const APP_ID_URI = /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/i;

const isAuthorityUrl = (text: string): boolean =>
  URL.canParse(text) && text.startsWith('https://') && new URL(text).origin === text.replace(/\/$/, '');

const tenantId = z
  .string()
  .refine((text) => !MULTI_TENANT_NAMES.includes(text.toLowerCase()), {
    error: 'names no single tenant; list each tenant by its GUID',
    abort: true,
  })
  .transform((text) => text.toLowerCase())
  .refine((text) => GUID.test(text), 'must be the GUID of a tenant');

const cloud = z.string().transform((text, context): Cloud & { readonly isUrl: boolean } => {
  const named = Object.hasOwn(CLOUDS, text) ? CLOUDS[text as keyof typeof CLOUDS] : undefined;
  if (named) return { ...named, isUrl: false };
  if (isAuthorityUrl(text)) {
    const { origin } = new URL(text);
    return { authority: origin, v1Issuer: origin, isUrl: true };
  }
  context.addIssue(`must be one of ${Object.keys(CLOUDS).join(', ')}, or an https:// URL without a path`);
  return z.NEVER;
});

/** YAML reads an unquoted 2.0 as the number 2. */
const version = z
  .union([z.string(), z.number()])
  .transform((written) => String(written).replace(/^v/i, '').replace(/\.0$/, ''))
  .pipe(z.enum(['1', '2'], 'must be 1.0 or 2.0'))
  .transform((major): TokenVersion => `${major}.0`);

const audience = z
  .string()
  .refine(
    (text) => GUID.test(text.toLowerCase()) || APP_ID_URI.test(text),
    'must be an application id (GUID) or an App ID URI',
  )
  .transform((text) => (GUID.test(text.toLowerCase()) ? text.toLowerCase() : text));

const entry = z
  .strictObject({
    tenant: tenantId,
    cloud: cloud.default({ ...CLOUDS.public, isUrl: false }),
    versions: z.array(version).min(1).default(['2.0']),
    audiences: z.array(audience).min(1, 'must name at least one audience'),
    required_roles: z.array(z.string().min(1)).default([]),
    allow_missing_idtyp: z.boolean().default(false),
    replay: z.enum(['allow', 'strict'], 'must be allow or strict').default('allow'),
  })
  .superRefine(({ versions, audiences }, context) => {
    const hasGuid = audiences.some((text) => isGuid(text));
    const hasUri = audiences.some((text) => !isGuid(text));
    const problem =
      versions.includes('2.0') && !hasGuid
        ? 'version 2.0 tokens carry the application id: list it as a GUID'
        : hasUri && !versions.includes('1.0')
          ? 'an App ID URI is only ever the audience of version 1.0 tokens, which `versions` does not list'
          : null;
    if (problem) context.addIssue({ code: 'custom', path: ['audiences'], message: problem });
  });

const tenantList = z
  .array(entry)
  .min(1, 'must list at least one tenant')
  .superRefine((entries, context) => {
    entries.forEach(({ tenant }, index) => {
      if (entries.findIndex((other) => other.tenant === tenant) < index) {
        context.addIssue({ code: 'custom', path: [index, 'tenant'], message: 'is listed twice' });
      }
    });
  });

const trustOf = (
  { tenant, cloud: { authority, v1Issuer }, audiences }: z.infer<typeof entry>,
  tokenVersion: TokenVersion,
): IssuerTrust =>
  tokenVersion === '1.0'
    ? {
        version: tokenVersion,
        issuer: `${v1Issuer}/${tenant}/`,
        keysUrl: `${authority}/${tenant}/discovery/keys`,
        audiences,
      }
    : {
        version: tokenVersion,
        issuer: `${authority}/${tenant}/v2.0`,
        keysUrl: `${authority}/${tenant}/discovery/v2.0/keys`,
        audiences: audiences.filter(isGuid),
      };

const readYaml = (text: string): unknown => {
  try {
    return parseYaml(text);
  } catch (cause) {
    throw new Error(`not readable as YAML: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
};

/** `[0].audiences: must ...` as `entry 1, audiences: must ...`. */
const describe = ({ path, message }: z.core.$ZodIssue): string => {
  const [index, ...names] = path;
  const place = [...(typeof index === 'number' ? [`entry ${index + 1}`] : []), ...names.map(String)];
  return place.length > 0 ? `${place.join(', ')}: ${message}` : message;
};

/**
 * Reads the list of trusted tenants, the content of `COUNTERSIGN_ENTRA`: YAML, one entry per tenant with
 * `tenant`, `cloud`, `versions`, `audiences`, `required_roles`, `allow_missing_idtyp` and `replay`.
 *
 * @throws Error whose message has one line per problem.
 */
export const parseTrustedTenants = (yamlText: string): TrustedTenant[] => {
  const parsed = tenantList.safeParse(readYaml(yamlText));
  if (!parsed.success) throw new Error(parsed.error.issues.map(describe).join('\n'));
  return parsed.data.map((listed) => ({
    tenantId: listed.tenant,
    authority: listed.cloud.authority,
    privateAuthority: listed.cloud.isUrl,
    issuers: [...new Set(listed.versions)].map((tokenVersion) => trustOf(listed, tokenVersion)),
    requiredRoles: listed.required_roles,
    allowMissingIdtyp: listed.allow_missing_idtyp,
    strictReplay: listed.replay === 'strict',
  }));
};
