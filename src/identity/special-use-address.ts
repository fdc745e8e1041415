/**
 * Addresses that no public issuer has (RFC 6890). Key addresses come from configuration, but names are resolved
 * by a DNS that somebody else answers: checked at connect, after resolution, so that rebinding gains nothing.
 */
import { BlockList, isIPv6 } from 'node:net';

const SPECIAL_USE: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // Unspecified, loopback, and IPv4 addresses written as IPv6.
  ['::', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

const specialUse = new BlockList();
for (const [network, prefix] of SPECIAL_USE) specialUse.addSubnet(network, prefix, familyOf(network));

/** Whether an IP address (IPv4-mapped ones included) lies in a network reserved for special use. */
export const isSpecialUseAddress = (address: string): boolean => specialUse.check(address, familyOf(address));
