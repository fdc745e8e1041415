import { describe, expect, it } from 'vitest';
import { clientAddress, parseTrustedProxies } from '../../src/http/client-address.ts';

const trusted = parseTrustedProxies(['10.0.0.0/8', '192.168.1.1', 'fd00::/8']);
const PROXY = '10.0.0.1';
const from = (peer: string, headers: Record<string, string>) => clientAddress(peer, headers, trusted);

describe("a client's address", () => {
  it.each([[{ 'x-forwarded-for': '1.2.3.4' }], [{ forwarded: 'for=1.2.3.4' }], [{ 'x-real-ip': '1.2.3.4' }]])(
    'is the peer itself, whatever a stranger claims: %j (T10)',
    (headers) => {
      expect(from('8.8.8.8', headers as unknown as Record<string, string>)).toBe('8.8.8.8');
    },
  );

  it.each([
    ['nothing', {}, PROXY],
    ['one hop', { 'x-forwarded-for': '1.2.3.4' }, '1.2.3.4'],
    ['a chain of trusted proxies', { 'x-forwarded-for': '1.2.3.4, 192.168.1.1, 10.9.9.9' }, '1.2.3.4'],
    ['an entry that the client made up', { 'x-forwarded-for': '6.6.6.6, 1.2.3.4' }, '1.2.3.4'],
    ['a trusted address that the client made up', { 'x-forwarded-for': '10.1.1.1, 1.2.3.4' }, '1.2.3.4'],
    ['a port', { 'x-forwarded-for': '1.2.3.4:5678' }, '1.2.3.4'],
    ['IPv6', { 'x-forwarded-for': '2001:db8::1' }, '2001:db8::1'],
    ['IPv6 with a port', { 'x-forwarded-for': '[2001:db8::1]:5678' }, '2001:db8::1'],
    ['IPv4 written as IPv6', { 'x-forwarded-for': '::ffff:1.2.3.4' }, '1.2.3.4'],
    ['rubbish', { 'x-forwarded-for': '1.2.3.4, <b>' }, PROXY],
    ['nothing between commas', { 'x-forwarded-for': '1.2.3.4,' }, PROXY],
    ['Forwarded', { forwarded: 'for=1.2.3.4;proto=https' }, '1.2.3.4'],
    [
      'Forwarded, quoted and chained',
      { forwarded: 'for=6.6.6.6, proto=http; For="[2001:db8::1]:99"' },
      '2001:db8::1',
    ],
    ['Forwarded, hidden', { forwarded: 'for=_hidden' }, PROXY],
    ['both, agreeing', { 'x-forwarded-for': '1.2.3.4', forwarded: 'for=1.2.3.4' }, '1.2.3.4'],
    ['both, one of them made up: by none', { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=1.2.3.4' }, null],
    ['both, one of them rubbish: by none', { 'x-forwarded-for': 'rubbish', forwarded: 'for=1.2.3.4' }, null],
  ])('behind a trusted proxy is told by %s', (_what, headers, address) => {
    expect(from(PROXY, headers as Record<string, string>)).toBe(address);
    expect(from('8.8.8.8', headers as Record<string, string>)).toBe('8.8.8.8');
  });

  it('is one and the same whether the socket speaks IPv4 or IPv6', () => {
    expect(from('::ffff:8.8.8.8', {})).toBe('8.8.8.8');
    expect(from('::ffff:10.0.0.1', { 'x-forwarded-for': '1.2.3.4' })).toBe('1.2.3.4');
    expect(from('fd12::1', { 'x-forwarded-for': '1.2.3.4' })).toBe('1.2.3.4');
  });
});

it.each(['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', 'fd00::/129', '10.0.0.0/-1', ''])(
  'refuses %j as a trusted proxy',
  (network) => {
    expect(() => parseTrustedProxies([network])).toThrow('neither an IP address nor a network');
  },
);
