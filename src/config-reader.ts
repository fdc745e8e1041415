/**
 * Reads settings one by one, remembers everything that is wrong with them and tells it at once. No message repeats a
 * value that could be a secret.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Address, Environment } from './config.ts';

/** Every problem of a configuration, a line each. */
export class ConfigInvalid extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigInvalid';
    this.problems = problems;
  }
}

export type Reader = {
  readonly problems: string[];
  /** An empty setting is as good as none. */
  readonly read: (name: string) => string | undefined;
  /** The content of the file at `path`, which `name` gave. */
  readonly file: (name: string, path: string) => string | undefined;
  /** A value given by itself, or by `<name>_FILE`. */
  readonly secret: (name: string) => string | undefined;
  /** Undefined if `value` is, or if it is a problem: each line of what `parse` throws. */
  readonly parsed: <T>(name: string, value: string | undefined, parse: (value: string) => T) => T | undefined;
  /** The same for what must be there; `advice` says what to set. */
  readonly required: <T>(
    name: string,
    value: string | undefined,
    options: { readonly parse: (value: string) => T; readonly advice: string },
  ) => T | undefined;
};

export const openReader = (environment: Environment): Reader => {
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

  const secret = (name: string): string | undefined => {
    const path = read(`${name}_FILE`);
    if (path === undefined) return read(name);
    if (read(name) !== undefined) problems.push(`${name} and ${name}_FILE are both set: keep one`);
    return file(`${name}_FILE`, path)?.trimEnd();
  };

  const parsed: Reader['parsed'] = (name, value, parse) => {
    if (value === undefined) return undefined;
    try {
      return parse(value);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      for (const line of message.split('\n')) problems.push(`${name}: ${line}`);
      return undefined;
    }
  };

  const required: Reader['required'] = (name, value, { parse, advice }) => {
    if (value === undefined && read(`${name}_FILE`) === undefined)
      problems.push(`${name} is missing: ${advice}`);
    return parsed(name, value, parse);
  };

  return { problems, read, file, secret, parsed, required };
};

const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]'];
export const KEY_BYTES = 32;

/** Throws unless `text` is host:port. */
export const parseAddress = (text: string): Address => {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) throw new Error('must be host:port, such as 127.0.0.1:8400');
  return { host: match[1].replaceAll(/[[\]]/g, ''), port };
};

/** Throws unless `text` is an origin, https or on the loopback, exactly as a browser would write it. */
export const parseBaseUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new Error('must be a URL, such as https://countersign.example');
  if (url.origin !== text)
    throw new Error(`must be scheme and host alone, without path or trailing slash: ${url.origin}`);
  if (url.protocol === 'http:' && !LOOPBACK_HOSTS.includes(url.hostname))
    throw new Error('must be https: http is for loopback addresses only');
  return text;
};

/** Throws unless `text` is a key of `KEY_BYTES` in base64. */
export const parseKey = (text: string): Buffer => {
  const key = Buffer.from(text, 'base64');
  if (key.length !== KEY_BYTES || key.toString('base64') !== text)
    throw new Error(`must be ${KEY_BYTES} random bytes in base64: openssl rand -base64 ${KEY_BYTES}`);
  return key;
};

/** Shorter is spent on the way, longer shows nothing that the proof's own time does not. */
const NONCE_SECONDS = { min: 10, max: 3_600 } as const;

/** Throws unless `text` is a number of seconds for which a nonce can be good. */
export const parseNonceSeconds = (text: string): number => {
  const seconds = Number(text);
  if (!/^\d{1,4}$/.test(text) || seconds < NONCE_SECONDS.min || seconds > NONCE_SECONDS.max)
    throw new Error(
      `must be seconds, ${NONCE_SECONDS.min} to ${NONCE_SECONDS.max}; leave it out to demand no nonce`,
    );
  return seconds;
};

/** Throws unless `text` is a connection string of PostgreSQL. */
export const parseDsn = (text: string): string => {
  if (!/^postgres(ql)?:\/\/./.test(text))
    throw new Error('must be a connection string: postgres://user:password@host/database');
  return text;
};

/** Throws unless `text` is a URL of Redis. */
export const parseRedisUrl = (text: string): string => {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text))
    throw new Error('must be redis://host:6379, or rediss:// with TLS');
  return text;
};

/** Throws unless `pem` holds a certificate. */
export const parseCertificate = (pem: string): string => {
  try {
    new X509Certificate(pem);
  } catch {
    throw new Error('must name a PEM file with the certificate of the authority');
  }
  return pem;
};
