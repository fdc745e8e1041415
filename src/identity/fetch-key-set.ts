/**
 * Fetches the document in which an issuer publishes its keys. The other side is trusted to sign, not to behave:
 * whatever it sends is bounded in time and size, redirects are not followed, nothing of it reaches a log
 * (octo-sts, CVE-2024-34079 and CVE-2025-52477).
 */
import { lookup } from 'node:dns';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isSpecialUseAddress } from './special-use-address.ts';

/** From the first packet to the last byte. */
const FETCH_TIMEOUT_MS = 3_000;
/** Entra's documents are about 15 KiB. */
const KEY_SET_MAX_BYTES = 256 * 1_024;

const JSON_TYPE = /^application\/(?:json|jwk-set\+json)\s*(?:;|$)/i;

export type KeySetSource = {
  readonly url: string;
  /** PEM: trust these authorities, instead of the public ones. */
  readonly ca?: string | undefined;
  /** The operator named this address and its CA: it may be on loopback or in a private network. */
  readonly mayBePrivate: boolean;
};

const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, options, (error, found, family) => {
    const addresses = error || typeof found === 'string' ? [found] : found.map(({ address }) => address);
    const refused = error ? undefined : addresses.find((address) => isSpecialUseAddress(String(address)));
    const problem = refused ? new Error(`${hostname} resolves to the special-use address ${refused}`) : error;
    callback(problem, found, family);
  });
};

const checkResponse = ({ statusCode, headers }: IncomingMessage): void => {
  if (statusCode !== 200) throw new Error(`answered with status ${statusCode}`);
  if (!JSON_TYPE.test(headers['content-type'] ?? '')) throw new Error('answered with another type than JSON');
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new Error('answered compressed');
};

const readBounded = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > KEY_SET_MAX_BYTES) throw new Error(`answered with more than ${KEY_SET_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

export type IssuerDocument = {
  readonly text: string;
  /** When the issuer sent it, by its own clock (RFC 9110 section 6.6.1); undefined if it did not say. */
  readonly date: string | undefined;
};

/** A document of an issuer. Throws on anything but a timely, small, direct JSON answer. */
export const fetchIssuerDocument = async ({
  url,
  ca,
  mayBePrivate,
}: KeySetSource): Promise<IssuerDocument> => {
  const { hostname } = new URL(url);
  const literal = hostname.replace(/^\[(.*)\]$/, '$1');
  if (!mayBePrivate && isIP(literal) !== 0 && isSpecialUseAddress(literal)) {
    throw new Error(`${literal} is a special-use address`);
  }
  const outgoing = request(url, {
    agent: false,
    ca,
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    rejectUnauthorized: true,
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    ...(!mayBePrivate && { lookup: publicLookup }),
  });
  try {
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    checkResponse(response);
    return { text: await readBounded(response), date: response.headers.date };
  } finally {
    outgoing.on('error', () => undefined).destroy();
  }
};

/** The published keys, as text. Throws as `fetchIssuerDocument`. */
export const fetchKeySet = async (source: KeySetSource): Promise<string> =>
  (await fetchIssuerDocument(source)).text;
