/** Requests as other RFC 8693 clients word them: all of them are well formed, none is treated worse for its habits. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const FORM = 'application/x-www-form-urlencoded';
const AUDIENCE = 'api://knowledge.prod';

type Pairs = readonly (readonly [string, string])[];

/** A complete request with pairs added; a name that they have replaces the one of the complete request. */
const bodyOf = async (pairs: Pairs): Promise<string> => {
  const complete: Pairs = [
    ['grant_type', TOKEN_EXCHANGE],
    ['subject_token', await world.assertion('support-agent')],
    ['subject_token_type', JWT_TYPE],
    ['audience', AUDIENCE],
    ['scope', 'articles.read'],
  ];
  const named = new Set(pairs.map(([name]) => name));
  const kept = complete.filter(([name]) => !named.has(name));
  return new URLSearchParams([...kept, ...pairs].map(([name, value]) => [name, value])).toString();
};

const send = async (pairs: Pairs, headers: Readonly<Record<string, string>> = {}) =>
  world.post('/token', await bodyOf(pairs), { 'content-type': FORM, ...headers });

const basic = (credentials: string): Record<string, string> => ({
  authorization: `Basic ${btoa(credentials)}`,
});

describe('a request passes', () => {
  it.each<[string, Pairs]>([
    [
      'with the same audience twice',
      [
        ['audience', AUDIENCE],
        ['audience', AUDIENCE],
      ],
    ],
    [
      'with the same resource twice',
      [
        ['audience', ''],
        ['resource', AUDIENCE],
        ['resource', AUDIENCE],
      ],
    ],
    [
      'with resource instead of audience',
      [
        ['audience', ''],
        ['resource', AUDIENCE],
      ],
    ],
    ['with resource and audience alike', [['resource', AUDIENCE]]],
    [
      'with an access token as the type of the subject token',
      [['subject_token_type', 'urn:ietf:params:oauth:token-type:access_token']],
    ],
    [
      'with parameters that nobody knows',
      [
        ['foo', 'bar'],
        ['assertion', 'x'],
        ['code', ''],
        ['nonce', '1'],
        ['realm', 'x'],
      ],
    ],
    [
      'with a parameter that nobody knows and that has no value',
      [
        ['__proto__', ''],
        ['constructor', 'x'],
      ],
    ],
    [
      'with optional parameters that are empty',
      [
        'requested_token_type',
        'resource',
        'actor_token',
        'actor_token_type',
        'client_id',
        'client_secret',
        'client_assertion',
        'client_assertion_type',
        'request_id',
        'justification',
        'requested_expires_in',
        'authorization_details',
      ].map((name) => [name, ''] as const),
    ],
    ['with an empty scope, which is the default of the API', [['scope', '']]],
    ['with its client id', [['client_id', 'support-agent']]],
    [
      'with its client id and an empty secret',
      [
        ['client_id', 'support-agent'],
        ['client_secret', ''],
      ],
    ],
    [
      'with the type of the wanted token',
      [['requested_token_type', 'urn:ietf:params:oauth:token-type:access_token']],
    ],
  ])('%s', async (_how, pairs) => {
    const { status, body } = await send(pairs);
    expect({ status, scope: body.scope }).toEqual({ status: 200, scope: 'articles.read' });
  });

  it.each([
    'application/x-www-form-urlencoded',
    'application/x-www-form-urlencoded;charset=UTF-8',
    'application/x-www-form-urlencoded; charset=utf-8',
    'application/x-www-form-urlencoded; charset="utf-8"',
    'APPLICATION/X-WWW-FORM-URLENCODED',
    'Application/X-WWW-Form-UrlEncoded; Charset=Utf-8',
  ])('with the content type %s', async (type) => {
    expect((await send([], { 'content-type': type })).status).toBe(200);
  });

  it.each(['text/html', '*/*', 'application/jwt', 'application/json;q=0'])(
    'and is answered in JSON, though it accepts %s',
    async (accept) => {
      const { status, headers, body } = await send([], { accept });
      expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
      expect(body.token_type).toBe('Bearer');
    },
  );

  it('with its parameters in any order, and plus signs for spaces', async () => {
    const body = (await bodyOf([['justification', 'two words']])).split('&').reverse().join('&');
    expect(body).toContain('two+words');
    expect((await world.post('/token', body)).status).toBe(200);
  });
});

describe('HTTP Basic', () => {
  it.each([
    ['with an empty secret', 'support-agent:'],
    ['with a client id that is form-encoded', 'support%2Dagent:'],
  ])('passes %s', async (_how, credentials) => {
    expect((await send([], basic(credentials))).status).toBe(200);
    expect((await send([['client_id', 'support-agent']], basic(credentials))).status).toBe(200);
  });

  it('in any case of its scheme passes', async () => {
    for (const scheme of ['basic', 'BASIC'])
      expect((await send([], { authorization: `${scheme} ${btoa('support-agent:')}` })).status).toBe(200);
  });

  it('that fails is followed by the form, and nothing is held against the agent', async () => {
    const tries = await Promise.all(
      Array.from({ length: 20 }, () => send([['request_id', 'after-basic']], basic('support-agent:x'))),
    );
    for (const { status, headers, body } of tries) {
      expect({ status, error: body.error }).toEqual({ status: 401, error: 'invalid_client' });
      expect(headers.get('www-authenticate')).toMatch(/^Basic realm="/);
    }
    const { status } = await send([
      ['request_id', 'after-basic'],
      ['client_id', 'support-agent'],
    ]);
    expect(status).toBe(200);
  });

  it('that fails does not make the repeat in the form an early one', async () => {
    const subject_token = await world.assertion('support-agent');
    const wanted: Pairs = [
      ['subject_token', subject_token],
      ['scope', 'articles.write'],
    ];
    expect((await send(wanted, basic('support-agent:x'))).status).toBe(401);
    for (const again of [await send(wanted), await send(wanted)])
      expect(again.body).toMatchObject({ error: 'authorization_pending', interval: 5 });
  });
});

describe('a request names one API', () => {
  it.each<[string, Pairs]>([
    [
      'two audiences',
      [
        ['audience', AUDIENCE],
        ['audience', 'api://knowledge.dev'],
      ],
    ],
    [
      'two resources',
      [
        ['audience', ''],
        ['resource', AUDIENCE],
        ['resource', 'api://knowledge.dev'],
      ],
    ],
    ['audience and resource apart', [['resource', 'api://knowledge.dev']]],
    [
      'an audience twice and another',
      [
        ['audience', AUDIENCE],
        ['audience', AUDIENCE],
        ['audience', 'x'],
      ],
    ],
  ])('and is invalid_target with %s', async (_what, pairs) => {
    const { status, body } = await send(pairs);
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_target' });
  });

  it.each(['grant_type', 'subject_token', 'subject_token_type', 'scope', 'client_id', 'foo'])(
    'and gives %s no more than once',
    async (name) => {
      const { status, body } = await world.post('/token', `${await bodyOf([])}&${name}=x&${name}=x`);
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
    },
  );
});
