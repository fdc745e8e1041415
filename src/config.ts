/**
 * The configuration, from the environment alone. Everything that is wrong is told at once, each with what to do;
 * what would be unsafe does not start.
 */
import {
  ConfigInvalid,
  KEY_BYTES,
  openReader,
  parseAddress,
  parseBaseUrl,
  parseDsn,
  parseKey,
  parseNonceSeconds,
  parseRedisUrl,
  type Reader,
} from './config-reader.ts';
import { readEntra } from './entra-settings.ts';
import { parseTrustedProxies } from './http/client-address.ts';
import type { TrustedTenant } from './identity/trusted-tenants.ts';
import { DEFAULT_LIMITS, type LimitSettings, parseLimits, parseReplicas } from './limits/settings.ts';
import type { StorageSettings } from './storage/open-storage.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a server listens; port 0 takes any free one. */
export type Address = { readonly host: string; readonly port: number };

/** The console's application at Entra. */
export type SignInSettings = {
  readonly authority: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly ca: string | null;
};

export type Config = {
  /** Public base URL without a trailing slash: the issuer. */
  readonly url: string;
  readonly listen: Address;
  readonly operationsListen: Address;
  readonly storage: StorageSettings;
  readonly redisUrl: string | null;
  /** How many brokers work on this database. */
  readonly replicas: number;
  readonly limits: LimitSettings;
  /** YAML files, applied to an empty database only. */
  readonly registryFiles: readonly string[];
  /** The bundle's file, activated in an empty database only; null: none. */
  readonly policyFile: string | null;
  readonly tenants: readonly TrustedTenant[];
  /** PEM of the CA of a private authority. */
  readonly entraCa: string | null;
  /** Public base URL of the pages; the issuer's if they have no host of their own. */
  readonly consoleUrl: string;
  /** The pages' own listener, if they have one. */
  readonly consoleListen: Address | null;
  /** 32 bytes. */
  /** The first encrypts the signing keys; the one before it, where it is given, decrypts what is not encrypted anew yet. */
  readonly keyEncryptionKeys: readonly [Buffer, ...Buffer[]];
  /** Age at which a signing key is replaced, days. */
  readonly keyMaxAgeDays: number;
  /** How long a nonce that proofs must carry is good, seconds; null: none is demanded. */
  readonly dpopNonceSeconds: number | null;
  /** Addresses and CIDR networks whose forwarding headers count. */
  readonly trustedProxies: readonly string[];
  /** Null: nobody can sign in. */
  readonly signIn: SignInSettings | null;
};

const DEFAULT_LISTEN = '127.0.0.1:8400';
const DEFAULT_OPERATIONS_LISTEN = '127.0.0.1:8401';
const PUBLIC_AUTHORITY = 'https://login.microsoftonline.com';
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const EMBEDDED = 'embedded:';

const parseStorage = (database: string): StorageSettings => {
  if (database.startsWith(EMBEDDED) && database.length > EMBEDDED.length)
    return { kind: 'embedded', directory: database.slice(EMBEDDED.length) };
  if (!/^postgres(ql)?:\/\/./.test(database))
    throw new Error('must be postgres://user:password@host/database, or embedded:DIRECTORY');
  return { kind: 'postgres', dsn: database, ownerDsn: null };
};

const readStorage = ({ secret, required, parsed, problems }: Reader): StorageSettings | undefined => {
  const storage = required('COUNTERSIGN_DATABASE', secret('COUNTERSIGN_DATABASE'), {
    parse: parseStorage,
    advice: 'set postgres://user:password@host/database, or embedded:DIRECTORY for one machine',
  });
  const ownerDsn = parsed('COUNTERSIGN_DATABASE_OWNER', secret('COUNTERSIGN_DATABASE_OWNER'), parseDsn);
  if (ownerDsn === undefined || storage === undefined) return storage;
  if (storage.kind === 'postgres') return { ...storage, ownerDsn };
  problems.push(
    'COUNTERSIGN_DATABASE_OWNER: an embedded database has an owner of its own; remove it, or set COUNTERSIGN_DATABASE to postgres://...',
  );
  return undefined;
};

const readSignIn = (
  { read, secret, problems }: Reader,
  tenants: readonly TrustedTenant[],
  entraCa: string | null,
): SignInSettings | null => {
  const tenantId = read('COUNTERSIGN_SIGN_IN_TENANT')?.toLowerCase();
  const clientId = read('COUNTERSIGN_SIGN_IN_CLIENT_ID')?.toLowerCase();
  const clientSecret = secret('COUNTERSIGN_SIGN_IN_CLIENT_SECRET');
  if (tenantId === undefined && clientId === undefined && clientSecret === undefined) return null;
  if (tenantId === undefined || clientId === undefined || clientSecret === undefined) {
    problems.push(
      'COUNTERSIGN_SIGN_IN_TENANT, COUNTERSIGN_SIGN_IN_CLIENT_ID and COUNTERSIGN_SIGN_IN_CLIENT_SECRET go together: set all three, or none for a broker without pages',
    );
    return null;
  }
  const ids = { COUNTERSIGN_SIGN_IN_TENANT: tenantId, COUNTERSIGN_SIGN_IN_CLIENT_ID: clientId };
  for (const [name, value] of Object.entries(ids)) {
    if (!GUID.test(value)) problems.push(`${name}: must be the GUID that Entra shows`);
  }
  const tenant = tenants.find((trusted) => trusted.tenantId === tenantId);
  return {
    authority: tenant?.authority ?? PUBLIC_AUTHORITY,
    tenantId,
    clientId,
    clientSecret,
    ca: tenant?.privateAuthority ? entraCa : null,
  };
};

const list = (text: string | undefined): string[] =>
  (text ?? '').split(',').flatMap((entry) => entry.trim() || []);

const readAddress = ({ read, parsed }: Reader, name: string, otherwise: string): Address | undefined =>
  parsed(name, read(name) ?? otherwise, parseAddress);

/** The pages' base URL and listener; a listener of their own needs a host of their own. */
const readConsole = ({ read, parsed, problems }: Reader, url: string) => {
  const ownUrl = read('COUNTERSIGN_CONSOLE_URL');
  const ownListen = read('COUNTERSIGN_CONSOLE_LISTEN');
  if (ownListen !== undefined && ownUrl === undefined)
    problems.push(
      'COUNTERSIGN_CONSOLE_LISTEN needs COUNTERSIGN_CONSOLE_URL: set the public base URL of the pages',
    );
  return {
    consoleUrl: parsed('COUNTERSIGN_CONSOLE_URL', ownUrl, parseBaseUrl) ?? url,
    consoleListen: parsed('COUNTERSIGN_CONSOLE_LISTEN', ownListen, parseAddress) ?? null,
  };
};

const parseProxies = (text: string): string[] => {
  const networks = list(text);
  parseTrustedProxies(networks);
  return networks;
};

/** NIST SP 800-57 part 1 table 1 allows a private signature key one to three years; a month limits what a leak is worth. */
const KEY_MAX_AGE_DAYS = 30;

const parseKeyMaxAge = (text: string): number => {
  const days = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  if (days < 1 || days > 365) throw new Error('must be a number of days, 1 to 365');
  return days;
};

/** What stands for a setting with a problem, until `finish` throws. */
const NOWHERE: Address = { host: '', port: 0 };

const finish = <T>({ problems }: Reader, config: T | undefined): T => {
  if (config === undefined || problems.length > 0) throw new ConfigInvalid(problems);
  return config;
};

/** Where the data lives: all that commands beside the broker need. Throws `ConfigInvalid`. */
export const loadStorageSettings = (environment: Environment): StorageSettings => {
  const reader = openReader(environment);
  return finish(reader, readStorage(reader));
};

const PREVIOUS_KEY = 'COUNTERSIGN_KEY_ENCRYPTION_KEY_PREVIOUS';

const readKeyEncryptionKeys = ({
  secret,
  parsed,
  required,
}: Reader): Config['keyEncryptionKeys'] | undefined => {
  const current = required('COUNTERSIGN_KEY_ENCRYPTION_KEY', secret('COUNTERSIGN_KEY_ENCRYPTION_KEY'), {
    parse: parseKey,
    advice: `set ${KEY_BYTES} random bytes in base64 (openssl rand -base64 ${KEY_BYTES}), the same for every replica, and keep them`,
  });
  const previous = parsed(PREVIOUS_KEY, secret(PREVIOUS_KEY), parseKey);
  return current && [current, ...(previous === undefined ? [] : [previous])];
};

/** What encrypts the signing keys. Throws `ConfigInvalid`. */
export const loadKeyEncryptionKeys = (environment: Environment): Config['keyEncryptionKeys'] => {
  const reader = openReader(environment);
  return finish(reader, readKeyEncryptionKeys(reader));
};

/** Where the operations listener is. Throws `ConfigInvalid`. */
export const loadOperationsAddress = (environment: Environment): Address => {
  const reader = openReader(environment);
  return finish(reader, readAddress(reader, 'COUNTERSIGN_OPERATIONS_LISTEN', DEFAULT_OPERATIONS_LISTEN));
};

/** The whole configuration of a broker. Throws `ConfigInvalid` with every problem. */
export const loadConfig = (environment: Environment): Config => {
  const reader = openReader(environment);
  const { read, secret, parsed, required } = reader;
  const url =
    required('COUNTERSIGN_URL', read('COUNTERSIGN_URL'), {
      parse: parseBaseUrl,
      advice: 'set the public base URL, which is the issuer of every token',
    }) ?? '';
  const keyEncryptionKeys = readKeyEncryptionKeys(reader);
  const { tenants, entraCa } = readEntra(reader);
  return finish(reader, {
    url,
    listen: readAddress(reader, 'COUNTERSIGN_LISTEN', DEFAULT_LISTEN) ?? NOWHERE,
    operationsListen:
      readAddress(reader, 'COUNTERSIGN_OPERATIONS_LISTEN', DEFAULT_OPERATIONS_LISTEN) ?? NOWHERE,
    storage: readStorage(reader) ?? { kind: 'embedded', directory: '' },
    redisUrl: parsed('COUNTERSIGN_REDIS', secret('COUNTERSIGN_REDIS'), parseRedisUrl) ?? null,
    replicas: parsed('COUNTERSIGN_REPLICAS', read('COUNTERSIGN_REPLICAS'), parseReplicas) ?? 1,
    limits: parsed('COUNTERSIGN_RATE_LIMITS', read('COUNTERSIGN_RATE_LIMITS'), parseLimits) ?? DEFAULT_LIMITS,
    registryFiles: list(read('COUNTERSIGN_REGISTRY')),
    policyFile: read('COUNTERSIGN_POLICY') ?? null,
    tenants,
    entraCa,
    ...readConsole(reader, url),
    keyEncryptionKeys: keyEncryptionKeys ?? [Buffer.alloc(0)],
    keyMaxAgeDays:
      parsed('COUNTERSIGN_KEY_MAX_AGE_DAYS', read('COUNTERSIGN_KEY_MAX_AGE_DAYS'), parseKeyMaxAge) ??
      KEY_MAX_AGE_DAYS,
    dpopNonceSeconds:
      parsed('COUNTERSIGN_DPOP_NONCE_SECONDS', read('COUNTERSIGN_DPOP_NONCE_SECONDS'), parseNonceSeconds) ??
      null,
    trustedProxies:
      parsed('COUNTERSIGN_TRUSTED_PROXIES', read('COUNTERSIGN_TRUSTED_PROXIES'), parseProxies) ?? [],
    signIn: readSignIn(reader, tenants, entraCa),
  });
};
