/**
 * Who is at the other end. Forwarding headers are anybody's to write, so they count only as far as an unbroken
 * chain of proxies that the operator named reaches; without such a proxy the peer itself is the client. A proxy writes
 * one of the two headers, and the other may be the sender's own: where they disagree nobody can tell which is true, and
 * to count such requests as the proxy's would let one sender use up what all behind it have.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

const IPV4_MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i;
/** `address`, `address:port` or `[address]:port`. */
const NODE_WITH_PORT = /^\[(?<ipv6>[^\]]*)\](?::\d+)?$|^(?<ipv4>[\d.]+):\d+$/;
const FORWARDED_FOR = /(?:^|;)\s*for=(?:"([^"]*)"|([^\s;"]*))/i;

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

/** The address in a forwarding header's entry, null for `unknown`, an obfuscated name or rubbish. */
const addressIn = (entry: string): string | null => {
  const { ipv4, ipv6 } = NODE_WITH_PORT.exec(entry)?.groups ?? {};
  const address = (ipv6 ?? ipv4 ?? entry).replace(IPV4_MAPPED, '');
  return isIP(address) === 0 ? null : address;
};

const listed = (header: string): string[] => header.split(',').map((entry) => entry.trim());

/** Nearest hop last, as each proxy appends. */
const chainsOf = (headers: IncomingHttpHeaders): string[][] => {
  const forwardedFor = [headers['x-forwarded-for'] ?? []].flat().join(',');
  const forwarded = headers.forwarded ?? '';
  return [
    forwardedFor === '' ? [] : listed(forwardedFor),
    forwarded === ''
      ? []
      : listed(forwarded).map((element) => {
          const [, quoted, plain] = FORWARDED_FOR.exec(element) ?? [];
          return quoted ?? plain ?? '';
        }),
  ].filter((chain) => chain.length > 0);
};

/**
 * Reads the proxies that are trusted to forward: addresses or CIDR networks.
 * @throws Error naming the entry that is neither.
 */
export const parseTrustedProxies = (networks: readonly string[]): BlockList => {
  const trusted = new BlockList();
  for (const network of networks) {
    const [address = '', prefix, ...rest] = network.split('/');
    const family = familyOf(address);
    const bits = family === 'ipv6' ? 128 : 32;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
    if (isIP(address) === 0 || rest.length > 0 || length < 0 || length > bits) {
      throw new Error(`${network} is neither an IP address nor a network such as 10.0.0.0/8`);
    }
    trusted.addSubnet(address, length, family);
  }
  return trusted;
};

/** Whether a peer, as its socket names it, is one of the trusted proxies. */
export const isProxy = (peer: string, trusted: BlockList): boolean => {
  const address = peer.replace(IPV4_MAPPED, '');
  return trusted.check(address, familyOf(address));
};

/** The address to hold responsible for a request that `peer` delivered; null where a trusted proxy's headers disagree. */
export const clientAddress = (
  peer: string,
  headers: IncomingHttpHeaders,
  trusted: BlockList,
): string | null => {
  const nearest = peer.replace(IPV4_MAPPED, '');
  if (!isProxy(nearest, trusted)) return nearest;
  const origins = chainsOf(headers).map((chain) => {
    let client = nearest;
    for (const entry of chain.reverse()) {
      const address = isProxy(client, trusted) ? addressIn(entry) : null;
      if (address === null) break;
      client = address;
    }
    return client;
  });
  const [client = nearest, ...others] = new Set(origins);
  return others.length > 0 ? null : client;
};
