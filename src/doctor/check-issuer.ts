/**
 * One issuer of a trusted tenant as its authority describes it: the metadata must name the issuer and the key address
 * that configuration pins, byte for byte, and the keys must be there. The broker itself never reads the metadata; a
 * difference says that the tenant, its cloud or its authority is not the one that was meant.
 */
import { fetchIssuerDocument, type IssuerDocument } from '../identity/fetch-key-set.ts';
import { type KeySet, parseKeySet } from '../identity/parse-key-set.ts';
import { CLOUDS, type IssuerTrust, type TrustedTenant } from '../identity/trusted-tenants.ts';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';
import { checkClock } from './check-clock.ts';
import { type Finding, type Findings, failureWords, shown, startAdvice } from './finding.ts';

export type CheckedIssuer = {
  readonly findings: Findings;
  /** Null if they cannot be had. */
  readonly keys: KeySet | null;
};

type Members = Readonly<Record<string, unknown>>;

export const metadataUrl = (
  { authority, tenantId }: Pick<TrustedTenant, 'authority' | 'tenantId'>,
  version: IssuerTrust['version'],
) => `${authority}/${tenantId}${version === '2.0' ? '/v2.0' : ''}/.well-known/openid-configuration`;

const REACH_ADVICE =
  'The broker must reach this address by https, without a proxy that breaks TLS. COUNTERSIGN_ENTRA_CA is for authorities given by URL only.';
const UNKNOWN_TENANT =
  'Status 400 or 404 means that the authority does not know the tenant: compare tenant and cloud in COUNTERSIGN_ENTRA.';

const cloudOf = (issuer: unknown): string | undefined =>
  Object.entries(CLOUDS).find(
    ([, { authority }]) => typeof issuer === 'string' && issuer.startsWith(`${authority}/`),
  )?.[0];

const compareIssuer = (metadata: Members, trust: IssuerTrust, check: string): Finding => {
  if (metadata.issuer === trust.issuer)
    return { check, status: 'ok', message: `the metadata names the issuer ${trust.issuer}` };
  const cloud = cloudOf(metadata.issuer);
  return {
    check,
    status: 'problem',
    message: `the metadata names the issuer ${shown(metadata.issuer)}, not ${trust.issuer}`,
    advice:
      cloud === undefined
        ? 'Compare tenant and cloud of this entry in COUNTERSIGN_ENTRA.'
        : `The tenant is of the cloud "${cloud}": set cloud: ${cloud} in COUNTERSIGN_ENTRA.`,
  };
};

/** Entra publishes the keys of version 1.0 at one address for all tenants and at each tenant's own: they are the same. */
const isKeysUrl = (url: unknown, { version, keysUrl }: IssuerTrust, authority: string): boolean =>
  url === keysUrl || (version === '1.0' && url === `${authority}/common/discovery/keys`);

const compareKeysUrl = (
  metadata: Members,
  trust: IssuerTrust,
  { authority, check }: { readonly authority: string; readonly check: string },
): Finding =>
  isKeysUrl(metadata.jwks_uri, trust, authority)
    ? { check, status: 'ok', message: `the metadata and the broker read keys at the same authority` }
    : {
        check,
        status: 'problem',
        message: `the metadata publishes keys at ${shown(metadata.jwks_uri)}, the broker reads ${trust.keysUrl}`,
        advice: 'The authority is not the one that was meant, or something between rewrites its answers.',
      };

const describeKeys = ({ keys, refused }: KeySet, { version }: IssuerTrust): Findings => {
  const usable = [...keys.values()].filter((key) => key !== 'foreign').length;
  const foreign = keys.size - usable;
  const check = 'keys';
  return [
    { check, status: 'ok', message: `${usable} signing keys of version ${version} are usable` },
    ...refused.map(
      ({ keyId, problem }): Finding => ({
        check,
        status: 'warning',
        message: `the key ${shown(keyId || 'without a name')} is ignored: ${problem}`,
        advice: 'Tokens signed with it are refused. Entra publishes no such key: look at who answers there.',
      }),
    ),
    ...(foreign === 0
      ? []
      : [
          {
            check,
            status: 'warning',
            message: `${foreign} keys are published for another issuer and are not used for this one`,
          } as const,
        ]),
  ];
};

const readMetadata = (text: string): Members => {
  const { value } = parseStrictJson(text);
  if (!isJsonObject(value)) throw new Error('the document is no JSON object');
  return value;
};

export type IssuerSource = {
  readonly tenant: TrustedTenant;
  readonly trust: IssuerTrust;
  /** PEM, for an authority given by URL. */
  readonly ca: string | undefined;
  readonly clock: () => Date;
};

const attempt = async <Value>(
  check: string,
  url: string,
  work: () => Promise<Value>,
): Promise<{ value: Value } | { finding: Finding }> => {
  try {
    return { value: await work() };
  } catch (error) {
    const words = failureWords(error);
    const advice = startAdvice(url, error) ?? (/status 40[04]$/.test(words) ? UNKNOWN_TENANT : REACH_ADVICE);
    return { finding: { check, status: 'problem', message: `${url} cannot be used: ${words}`, advice } };
  }
};

const timedFetch = async (
  { ca, clock }: IssuerSource,
  url: string,
): Promise<IssuerDocument & { readonly at: Date }> => {
  const sent = clock().getTime();
  const document = await fetchIssuerDocument({ url, ca, mayBePrivate: ca !== undefined });
  return { ...document, at: new Date((sent + clock().getTime()) / 2) };
};

const ofClock = (authority: string, { date, at }: { date: string | undefined; at: Date }): Findings => {
  // HTTP dates are whole seconds, cut off: on average half a second early.
  const theirs = new Date(Date.parse(date ?? '') + 500);
  return Number.isNaN(theirs.getTime()) ? [] : [checkClock(`the clock of ${authority}`, theirs, at)];
};

/** Fetches metadata and keys of one issuer and compares them with what is pinned. */
export const checkIssuer = async (source: IssuerSource): Promise<CheckedIssuer> => {
  const { tenant, trust } = source;
  const { authority, tenantId } = tenant;
  const check = 'tenant';
  const url = metadataUrl(tenant, trust.version);
  const [described, published] = await Promise.all([
    attempt(check, url, async () => {
      const document = await timedFetch(source, url);
      return { document, metadata: readMetadata(document.text) };
    }),
    attempt('keys', trust.keysUrl, async () => {
      const { text } = await timedFetch(source, trust.keysUrl);
      return parseKeySet(text, { issuer: trust.issuer, tenantId });
    }),
  ]);
  return {
    findings: [
      ...('finding' in described
        ? [described.finding]
        : [
            compareIssuer(described.value.metadata, trust, check),
            compareKeysUrl(described.value.metadata, trust, { authority, check }),
            ...ofClock(authority, described.value.document),
          ]),
      ...('finding' in published ? [published.finding] : describeKeys(published.value, trust)),
    ],
    keys: 'value' in published ? published.value : null,
  };
};
