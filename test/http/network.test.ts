import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addressPrefix, networkOf } from '../../src/http/network.ts';

it.each([
  ['192.0.2.77', '192.0.2.0/24'],
  ['::ffff:192.0.2.77', '192.0.2.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8::ffff:1', '2001:db8:0:0::/64'],
  ['2001:db8::3:4:5:6', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '192.0.2.0/24'],
  ['64:ff9b:1::192.0.2.1', '64:ff9b:1:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', 'unknown'],
  ['pipe', 'unknown'],
])('%s is of the network %s, however it is spelled', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

it.each([
  ['192.0.2.77', '192.0.2.77'],
  ['::ffff:192.0.2.77', '192.0.2.77'],
  ['::ffff:c000:24d', '192.0.2.77'],
  ['0:0:0:0:0:FFFF:192.0.2.77', '192.0.2.77'],
  ['64:ff9b::192.0.2.77', '192.0.2.77'],
  ['64:ff9b::c000:24d', '192.0.2.77'],
  ['0064:FF9B:0:0:0:0:c000:024d', '192.0.2.77'],
  ['64:ff9b::1:c000:24d', '64:ff9b:0:0::/64'],
  ['::fffe:192.0.2.77', '0:0:0:0::/64'],
  ['2001:db8::2:3:4:5:6', '2001:db8:0:2::/64'],
  ['::1', '0:0:0:0::/64'],
])('%s is counted as %s', (address, prefix) => {
  expect(addressPrefix(address)).toBe(prefix);
});

it('every IPv4 address behind a NAT64 or a mapping is counted for itself (RFC 6052, RFC 4291)', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(
      fc.tuple(octet, octet, octet, octet),
      fc.constantFrom('64:ff9b::', '::ffff:'),
      (octets, prefix) => {
        const ipv4 = octets.join('.');
        const short = new URL(`http://[${prefix}${ipv4}]/`).hostname.slice(1, -1);
        expect([addressPrefix(`${prefix}${ipv4}`), addressPrefix(short)]).toEqual([ipv4, ipv4]);
      },
    ),
  );
});

it('all addresses of a /64 are counted as one, in every spelling', () => {
  const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(groups, groups, groups, (network, one, other) => {
      fc.pre(network.slice(2).some((part) => part !== 0));
      const long = (host: number[]) =>
        [...network, ...host].map((part) => part.toString(16).padStart(4, '0').toUpperCase()).join(':');
      const short = new URL(`http://[${long(other)}]/`).hostname.slice(1, -1);
      expect(addressPrefix(short)).toBe(addressPrefix(long(one)));
    }),
  );
});
