/** What of an address stands for where somebody is: coarse to be told, finer to be counted. */
import { isIPv4, isIPv6 } from 'node:net';

/** Groups of an IPv6 address, 16 bits each. */
const GROUPS = 8;
/** A /64: what one subscriber has at least, so that nobody has many by counting up. */
const PREFIX_GROUPS = 4;

/** A dotted quad at the end stands for two groups, both beyond the prefix. */
const groupsOf = (part: string | undefined): string[] =>
  part === undefined || part === '' ? [] : part.replace(/[^:]*\.[^:]*$/, '0:0').split(':');

/**
 * What the trail tells of a client's address: its IPv4 /24 or IPv6 /64 in one spelling, enough to see where something
 * comes from, no single person; `unknown` for what is no address.
 */
export const networkOf = (address: string): string => {
  const ipv4 = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (isIPv4(ipv4)) return `${ipv4.slice(0, ipv4.lastIndexOf('.'))}.0/24`;
  if (!isIPv6(address)) return 'unknown';
  const [head, tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const left = groupsOf(head);
  const right = groupsOf(tail);
  const zeros = Array.from({ length: GROUPS - left.length - right.length }, () => '0');
  const prefix = [...left, ...zeros, ...right].slice(0, PREFIX_GROUPS);
  return `${prefix.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
};

/** What limits by address count under: an IPv4 address, or the /64 of an IPv6 one, whose clients choose the rest. */
export const addressPrefix = (address: string): string => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return plain.includes(':') ? networkOf(plain) : plain;
};
