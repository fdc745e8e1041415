/**
 * The configuration, from the environment alone. Everything that is wrong is told at once, each with what to do;
 * no message repeats a value that could be a secret. What would be unsafe does not start.
 */
import { readFileSync } from 'node:fs';
import { parseTrustedProxies } from './http/client-address.ts';
import { parseTrustedTenants, type TrustedTenant } from './identity/trusted-tenants.ts';
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
  readonly keyEncryptionKey: Buffer;
  /** Addresses and CIDR networks whose forwarding headers count. */
  readonly trustedProxies: readonly string[];
  /** Null: nobody can sign in. */
  readonly signIn: SignInSettings | null;
};

/** Every problem of a configuration, a line each. */
export class ConfigInvalid extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigInvalid';
    this.problems = problems;
  }
}

const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]'];
const DEFAULT_LISTEN = '127.0.0.1:8400';
const DEFAULT_OPERATIONS_LISTEN = '127.0.0.1:8401';
const PUBLIC_AUTHORITY = 'https://login.microsoftonline.com';
const KEY_BYTES = 32;
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Reads settings one by one and remembers what is wrong with them. */
const openReader = (environment: Environment) => {
  const problems: string[] = [];

  const read = (name: string): string | undefined => environment[name] || undefined;

  const file = (name: string, path: string): string | undefined => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : error;
      problems.push(`${name}: cannot read the file it names (${code})`);
      return undefined;
    }
  };

  /** A value given by itself, or by `<name>_FILE`. */
  const secret = (name: string): string | undefined => {
    const path = read(`${name}_FILE`);
    if (path === undefined) return read(name);
    if (read(name) !== undefined) problems.push(`${name} and ${name}_FILE are both set: keep one`);
    return file(`${name}_FILE`, path)?.trimEnd();
  };

  const parsed = <T>(name: string, parse: () => T): T | undefined => {
    try {
      return parse();
    } catch (error) {
      for (const line of String(error instanceof Error ? error.message : error).split('\n'))
        problems.push(`${name}: ${line}`);
      return undefined;
    }
  };

  return { problems, read, file, secret, parsed };
};

type Reader = ReturnType<typeof openReader>;

const parseAddress = (text: string): Address => {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) throw new Error('must be host:port, such as 127.0.0.1:8400');
  return { host: match[1].replaceAll(/[[\]]/g, ''), port };
};

const parseBaseUrl = (text: string): string => {
  if (!URL.canParse(text)) throw new Error('must be a URL, such as https://countersign.example');
  const url = new URL(text);
  if (`${url.origin}` !== text)
    throw new Error(`must be scheme and host alone, without path or trailing slash: ${url.origin}`);
  if (url.protocol === 'http:' && !LOOPBACK_HOSTS.includes(url.hostname))
    throw new Error('must be https: http is for loopback addresses only');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('must be https');
  return text;
};

const parseKey = (text: string): Buffer => {
  const key = Buffer.from(text, 'base64');
  if (key.length !== KEY_BYTES || key.toString('base64') !== text)
    throw new Error(`must be ${KEY_BYTES} random bytes in base64: openssl rand -base64 ${KEY_BYTES}`);
  return key;
};

const readStorage = ({ read, secret, problems }: Reader): StorageSettings | undefined => {
  const database = secret('COUNTERSIGN_DATABASE');
  if (database?.startsWith('embedded:') && database.length > 'embedded:'.length)
    return { kind: 'embedded', directory: database.slice('embedded:'.length) };
  if (database !== undefined && /^postgres(ql)?:\/\//.test(database))
    return { kind: 'postgres', dsn: database, ownerDsn: secret('COUNTERSIGN_DATABASE_OWNER') ?? null };
  const state = read('COUNTERSIGN_DATABASE') === undefined ? 'is missing' : 'is not usable';
  problems.push(
    `COUNTERSIGN_DATABASE ${state}: set postgres://user:password@host/database, or embedded:DIRECTORY for one machine`,
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
  for (const [name, value] of [
    ['COUNTERSIGN_SIGN_IN_TENANT', tenantId],
    ['COUNTERSIGN_SIGN_IN_CLIENT_ID', clientId],
  ]) {
    if (!GUID.test(value ?? '')) problems.push(`${name}: must be the GUID that Entra shows`);
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

const finish = <T>(reader: Reader, config: T | undefined): T => {
  if (config === undefined || reader.problems.length > 0) throw new ConfigInvalid(reader.problems);
  return config;
};

/** Where the data lives: all that commands beside the broker need. Throws `ConfigInvalid`. */
export const loadStorageSettings = (environment: Environment): StorageSettings => {
  const reader = openReader(environment);
  return finish(reader, readStorage(reader));
};

/** Where the operations listener is. Throws `ConfigInvalid`. */
export const loadOperationsAddress = (environment: Environment): Address => {
  const reader = openReader(environment);
  return finish(reader, readAddress(reader, 'COUNTERSIGN_OPERATIONS_LISTEN', DEFAULT_OPERATIONS_LISTEN));
};

const readAddress = ({ read, parsed }: Reader, name: string, otherwise: string): Address | undefined =>
  parsed(name, () => parseAddress(read(name) ?? otherwise));

const readRequired = <T>(
  { problems, parsed }: Reader,
  name: string,
  value: string | undefined,
  parse: (text: string) => T,
  what: string,
): T | undefined => {
  if (value !== undefined) return parsed(name, () => parse(value));
  problems.push(`${name} is missing: ${what}`);
  return undefined;
};

/** The whole configuration of a broker. Throws `ConfigInvalid` with every problem. */
export const loadConfig = (environment: Environment): Config => {
  const reader = openReader(environment);
  const { read, file, secret, parsed } = reader;
  const url = readRequired(
    reader,
    'COUNTERSIGN_URL',
    read('COUNTERSIGN_URL'),
    parseBaseUrl,
    'set the public base URL, which is the issuer of every token',
  );
  const keyEncryptionKey = readRequired(
    reader,
    'COUNTERSIGN_KEY_ENCRYPTION_KEY',
    secret('COUNTERSIGN_KEY_ENCRYPTION_KEY'),
    parseKey,
    `set ${KEY_BYTES} random bytes in base64 (openssl rand -base64 ${KEY_BYTES}), the same for every replica, and keep them`,
  );
  const entraFile = read('COUNTERSIGN_ENTRA');
  const tenants = readRequired(
    reader,
    'COUNTERSIGN_ENTRA',
    entraFile,
    (path) => parseTrustedTenants(file('COUNTERSIGN_ENTRA', path) ?? '[]'),
    'name the YAML file that lists the trusted Entra tenants',
  );
  const caFile = read('COUNTERSIGN_ENTRA_CA');
  const entraCa = caFile === undefined ? null : (file('COUNTERSIGN_ENTRA_CA', caFile) ?? null);
  const consoleUrl = read('COUNTERSIGN_CONSOLE_URL');
  const trustedProxies = list(read('COUNTERSIGN_TRUSTED_PROXIES'));
  parsed('COUNTERSIGN_TRUSTED_PROXIES', () => parseTrustedProxies(trustedProxies));
  const consoleListen = read('COUNTERSIGN_CONSOLE_LISTEN');
  const config = {
    url: url ?? '',
    listen: readAddress(reader, 'COUNTERSIGN_LISTEN', DEFAULT_LISTEN) ?? { host: '', port: 0 },
    operationsListen: readAddress(reader, 'COUNTERSIGN_OPERATIONS_LISTEN', DEFAULT_OPERATIONS_LISTEN) ?? {
      host: '',
      port: 0,
    },
    storage: readStorage(reader) ?? { kind: 'embedded' as const, directory: '' },
    redisUrl: secret('COUNTERSIGN_REDIS') ?? null,
    registryFiles: list(read('COUNTERSIGN_REGISTRY')),
    policyFile: read('COUNTERSIGN_POLICY') ?? null,
    tenants: tenants ?? [],
    entraCa,
    consoleUrl:
      (consoleUrl === undefined ? url : parsed('COUNTERSIGN_CONSOLE_URL', () => parseBaseUrl(consoleUrl))) ??
      '',
    consoleListen:
      consoleListen === undefined
        ? null
        : (readAddress(reader, 'COUNTERSIGN_CONSOLE_LISTEN', consoleListen) ?? null),
    keyEncryptionKey: keyEncryptionKey ?? Buffer.alloc(0),
    trustedProxies,
    signIn: readSignIn(reader, tenants ?? [], entraCa),
  };
  return finish(reader, config);
};
