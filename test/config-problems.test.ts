import { beforeAll, describe, expect, it } from 'vitest';
import { type Environment, loadConfig } from '../src/config.ts';
import { ConfigInvalid } from '../src/config-reader.ts';
import { CLIENT, fileWith, KEY, validEnvironment } from './config-fixture.ts';

let valid: Environment;
beforeAll(async () => {
  valid = await validEnvironment();
});

const problemsOf = (environment: Environment): readonly string[] => {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigInvalid) return error.problems;
    throw error;
  }
};

const UNUSABLE_LIMITS = [
  'exchange',
  'exchange=0',
  'exchange=-1',
  'exchange=60,exchange=60',
  'token=60',
  'exchange=60;miss=1',
].map((limits): [string, Readonly<Record<string, string>>, RegExp] => [
  `the rate limits ${limits}`,
  { COUNTERSIGN_RATE_LIMITS: limits },
  /^COUNTERSIGN_RATE_LIMITS: must be name=number or name=off, .*names: address, exchange/,
]);

describe('a configuration with problems', () => {
  it('tells every problem at once', () => {
    expect(problemsOf({ COUNTERSIGN_LISTEN: 'here', COUNTERSIGN_TRUSTED_PROXIES: 'everybody' })).toEqual([
      expect.stringMatching(/^COUNTERSIGN_URL is missing: set /),
      expect.stringMatching(/^COUNTERSIGN_KEY_ENCRYPTION_KEY is missing: set .*openssl rand -base64 32/),
      expect.stringMatching(/^COUNTERSIGN_ENTRA is missing: name /),
      'COUNTERSIGN_LISTEN: must be host:port, such as 127.0.0.1:8400',
      expect.stringMatching(/^COUNTERSIGN_DATABASE is missing: set postgres:.*embedded:DIRECTORY/),
      expect.stringMatching(/^COUNTERSIGN_TRUSTED_PROXIES: everybody is neither an IP address nor a network/),
    ]);
  });

  it.each<[string, Environment, RegExp]>([
    [
      'http on another host',
      { COUNTERSIGN_URL: 'http://countersign.example' },
      /^COUNTERSIGN_URL: must be https/,
    ],
    [
      'http on a host that begins like the loopback',
      { COUNTERSIGN_URL: 'http://127.0.0.1.example' },
      /^COUNTERSIGN_URL: must be https/,
    ],
    [
      'a trailing slash',
      { COUNTERSIGN_URL: 'https://countersign.example/' },
      /without path or trailing slash: https:\/\/countersign\.example$/,
    ],
    ['a path', { COUNTERSIGN_URL: 'https://countersign.example/broker' }, /without path/],
    [
      'credentials in the URL',
      { COUNTERSIGN_URL: 'https://a:canary@countersign.example' },
      /scheme and host alone/,
    ],
    ['upper case in the URL', { COUNTERSIGN_URL: 'https://Countersign.example' }, /scheme and host alone/],
    ['another scheme', { COUNTERSIGN_URL: 'ftp://countersign.example' }, /^COUNTERSIGN_URL: must be a URL/],
    ['keys of two years', { COUNTERSIGN_KEY_MAX_AGE_DAYS: '730' }, /must be a number of days, 1 to 365/],
    ['a nonce of a day', { COUNTERSIGN_DPOP_NONCE_SECONDS: '86400' }, /must be seconds, 10 to 3600/],
    [
      'a key of 16 bytes',
      { COUNTERSIGN_KEY_ENCRYPTION_KEY: 'canarycanarycanarycana==' },
      /must be 32 random bytes/,
    ],
    [
      'a key that is not base64',
      { COUNTERSIGN_KEY_ENCRYPTION_KEY: `canary ${KEY}` },
      /must be 32 random bytes/,
    ],
    [
      'another database',
      { COUNTERSIGN_DATABASE: 'mysql://u:canary@host/db' },
      /^COUNTERSIGN_DATABASE: must be postgres:/,
    ],
    [
      'an embedded database without directory',
      { COUNTERSIGN_DATABASE: 'embedded:' },
      /^COUNTERSIGN_DATABASE: must be/,
    ],
    [
      'an owner that is no connection string',
      { COUNTERSIGN_DATABASE_OWNER: 'canary' },
      /^COUNTERSIGN_DATABASE_OWNER: must be a connection string/,
    ],
    [
      'an owner beside an embedded database',
      { COUNTERSIGN_DATABASE: 'embedded:data', COUNTERSIGN_DATABASE_OWNER: 'postgres://o:canary@h/d' },
      /^COUNTERSIGN_DATABASE_OWNER: an embedded database has an owner of its own/,
    ],
    ['another Redis', { COUNTERSIGN_REDIS: 'redis.example:6379' }, /^COUNTERSIGN_REDIS: must be redis:/],
    ...UNUSABLE_LIMITS,
    ['no replica', { COUNTERSIGN_REPLICAS: '0' }, /^COUNTERSIGN_REPLICAS: must be the number of brokers/],
    [
      'a port beyond 65535',
      { COUNTERSIGN_LISTEN: '127.0.0.1:65536' },
      /^COUNTERSIGN_LISTEN: must be host:port/,
    ],
    [
      'no port',
      { COUNTERSIGN_OPERATIONS_LISTEN: '127.0.0.1' },
      /^COUNTERSIGN_OPERATIONS_LISTEN: must be host:port/,
    ],
    [
      'a listener for pages without their URL',
      { COUNTERSIGN_CONSOLE_LISTEN: '127.0.0.1:8402' },
      /^COUNTERSIGN_CONSOLE_LISTEN needs COUNTERSIGN_CONSOLE_URL/,
    ],
    [
      'an http URL of pages on another host',
      { COUNTERSIGN_CONSOLE_URL: 'http://console.example' },
      /^COUNTERSIGN_CONSOLE_URL: must be https/,
    ],
    ['sign-in by halves', { COUNTERSIGN_SIGN_IN_CLIENT_SECRET: 'canary' }, /go together/],
    [
      'a file that is not there',
      { COUNTERSIGN_ENTRA: '/nowhere/entra.yaml' },
      /^COUNTERSIGN_ENTRA: cannot read the file it names \(ENOENT\)$/,
    ],
    [
      'a secret twice',
      { COUNTERSIGN_DATABASE_FILE: '/nowhere/canary' },
      /COUNTERSIGN_DATABASE and COUNTERSIGN_DATABASE_FILE are both set/,
    ],
  ])('does not start with %s', (_, change, problem) => {
    const problems = problemsOf({ ...valid, ...change });
    expect(problems.filter((line) => problem.test(line))).toHaveLength(1);
    expect(problems.join('\n')).not.toContain('canary');
  });

  it('tells a missing file once, not also what is missing in it', () => {
    expect(problemsOf({ ...valid, COUNTERSIGN_ENTRA: '/nowhere' })).toHaveLength(1);
    const { COUNTERSIGN_DATABASE, ...rest } = valid;
    expect(problemsOf({ ...rest, COUNTERSIGN_DATABASE_FILE: '/nowhere' })).toEqual([
      'COUNTERSIGN_DATABASE_FILE: cannot read the file it names (ENOENT)',
    ]);
  });

  it.each(['common', 'organizations', 'consumers'])(
    'never trusts %s, for workloads or people',
    async (name) => {
      const entra = await fileWith(`- { tenant: ${name}, audiences: [${CLIENT}] }`);
      expect(problemsOf({ ...valid, COUNTERSIGN_ENTRA: entra })).toEqual([
        expect.stringMatching(/^COUNTERSIGN_ENTRA: entry 1, tenant: names no single tenant/),
      ]);
      const signIn = {
        COUNTERSIGN_SIGN_IN_TENANT: name,
        COUNTERSIGN_SIGN_IN_CLIENT_ID: CLIENT,
        COUNTERSIGN_SIGN_IN_CLIENT_SECRET: 'canary',
      };
      expect(problemsOf({ ...valid, ...signIn })).toEqual([
        'COUNTERSIGN_SIGN_IN_TENANT: must be the GUID that Entra shows',
      ]);
    },
  );

  it('refuses a file without a certificate as the authority', async () => {
    const notPem = await fileWith('canary');
    expect(problemsOf({ ...valid, COUNTERSIGN_ENTRA_CA: notPem })).toEqual([
      'COUNTERSIGN_ENTRA_CA: must name a PEM file with the certificate of the authority',
    ]);
  });
});
