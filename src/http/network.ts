/** What of an address stands for where somebody is: coarse to be told, finer to be counted. */
import { isIPv4, isIPv6 } from 'node:net';

/** Groups of an IPv6 address, 16 bits each. */
const GROUPS = 8;
/** A /64: what one subscriber has at least, so that nobody has many by counting up. */
const PREFIX_GROUPS = 4;

/** Well-known prefixes that have an IPv4 address in their last 32 bits: mapped (RFC 4291), NAT64 (RFC 6052). */
const EMBEDDING_PREFIXES: readonly string[] = ['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0'];

/** A dotted quad at the end stands for two groups. */
const groupsOf = (part: string | undefined): number[] =>
  part === undefined || part === ''
    ? []
    : part.split(':').flatMap((group) => {
        if (!group.includes('.')) return [Number.parseInt(group, 16)];
        const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
        return [a * 256 + b, c * 256 + d];
      });

/** The eight groups of an IPv6 address in any spelling. */
const expand = (address: string): number[] => {
  const [head, tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const left = groupsOf(head);
  const right = groupsOf(tail);
  return [...left, ...Array<number>(GROUPS - left.length - right.length).fill(0), ...right];
};

const hex = (groups: readonly number[]): string => groups.map((group) => group.toString(16)).join(':');

/**
 * The IPv4 address that an IPv6 one stands for, in whatever spelling: whoever comes through one NAT64 has nothing in
 * common with the others behind it. Any other address as it is.
 */
const plainAddress = (address: string): string => {
  if (!isIPv6(address)) return address;
  const groups = expand(address);
  if (!EMBEDDING_PREFIXES.includes(hex(groups.slice(0, 6)))) return address;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.');
};

/**
 * What the trail tells of a client's address: its IPv4 /24 or IPv6 /64 in one spelling, enough to see where something
 * comes from, no single person; `unknown` for what is no address.
 */
export const networkOf = (address: string): string => {
  const plain = plainAddress(address);
  if (isIPv4(plain)) return `${plain.slice(0, plain.lastIndexOf('.'))}.0/24`;
  return isIPv6(plain) ? `${hex(expand(plain).slice(0, PREFIX_GROUPS))}::/64` : 'unknown';
};

/** What limits by address count under: an IPv4 address, or the /64 of an IPv6 one, whose clients choose the rest. */
export const addressPrefix = (address: string): string => {
  const plain = plainAddress(address);
  return isIPv6(plain) ? networkOf(plain) : plain;
};
