/** C5 of the attacks: what the parameters of an exchange may and may not achieve. Each refusal yields no token. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';
const READ = { audience: 'api://knowledge.prod', scope: 'articles.read' };

type Parameters = Readonly<Record<string, string | undefined>>;

const ask = async (agent: string, parameters: Parameters) =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });

const countOf = async (table: 'tokens' | 'access_requests'): Promise<number> =>
  Number(
    (await sql<{ count: string }>`select count(*) from ${sql.table(table)}`.execute(world.database.db))
      .rows[0]?.count,
  );

/** Asks, and demands that it is refused with this error, without a token or an access request. */
const expectRefusal = async (parameters: Parameters, error: string): Promise<void> => {
  const before = [await countOf('tokens'), await countOf('access_requests')];
  const { status, body } = await ask('support-agent', { ...READ, ...parameters });
  expect({ status, error: body.error, token: body.access_token }).toEqual({ status: 400, error });
  expect([await countOf('tokens'), await countOf('access_requests')]).toEqual(before);
};

/** The reason that the trail has of the newest refusal. */
const toldReason = async (): Promise<string | undefined> =>
  (
    await sql<{ reason: string }>`
      select convert_from(body, 'UTF8')::jsonb ->> 'reason' as reason from audit_events
      where name = 'request.refused' order by position desc limit 1`.execute(world.database.db)
  ).rows[0]?.reason;

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('an exchange without a subject token (T66)', () => {
  it.each<[string, Parameters]>([
    ['is refused', { subject_token: undefined }],
    ['is refused where it is empty', { subject_token: '' }],
    [
      'never becomes the grant of a client that authenticates',
      { subject_token: '', client_id: 'support-agent', client_secret: '' },
    ],
    [
      'never becomes the grant of an actor',
      { subject_token: undefined, actor_token: 'x.y.z', actor_token_type: `${TOKEN_TYPE}jwt` },
    ],
    [
      'never becomes the grant of a code',
      { subject_token: '', code: 'x', redirect_uri: 'https://x.example' },
    ],
    ['never becomes the grant of a refresh token', { subject_token: '', refresh_token: 'x' }],
    ['never becomes the grant of an assertion', { subject_token: '', assertion: 'x.y.z' }],
  ])('%s', async (_what, parameters) => {
    await expectRefusal(parameters, 'invalid_request');
  });

  it.each(['client_credentials', 'refresh_token', 'authorization_code', 'password'])(
    'has no other grant beside it: %s',
    async (grant_type) => {
      await expectRefusal({ grant_type }, 'unsupported_grant_type');
    },
  );
});

describe('the types of tokens (T67, T71)', () => {
  it.each([
    '',
    'jwt',
    `${TOKEN_TYPE}JWT`,
    `${TOKEN_TYPE}saml1`,
    `${TOKEN_TYPE}saml2`,
    `${TOKEN_TYPE}id_token`,
  ])('refuse "%s" as that of the subject token', async (subject_token_type) => {
    await expectRefusal({ subject_token_type }, 'invalid_request');
  });

  it.each(['refresh_token', 'id_token', 'saml2', 'n_a', 'JWT'])(
    'refuse %s as that of the token to be issued',
    async (type) => {
      await expectRefusal({ requested_token_type: `${TOKEN_TYPE}${type}` }, 'invalid_request');
    },
  );

  it('never come with a refresh token, whatever is asked for', async () => {
    for (const requested_token_type of [undefined, '', `${TOKEN_TYPE}access_token`, `${TOKEN_TYPE}jwt`]) {
      const { status, body } = await ask('support-agent', { ...READ, requested_token_type });
      expect(status).toBe(200);
      expect(Object.keys(body)).not.toContain('refresh_token');
    }
  });
});

describe('the target (T68)', () => {
  it.each([
    'api://nowhere.prod',
    'api://knowledge.prod/',
    'api://knowledge.prod/x',
    'api://KNOWLEDGE.prod',
    'API://knowledge.prod',
    ' api://knowledge.prod',
    'api:/knowledge.prod',
    'api:///knowledge.prod',
    'api://knowledge.prod//',
    'api://x/../knowledge.prod',
    'api://user@knowledge.prod',
    'api://knowledge.prod#x',
    'api://knowledge.prod?x',
    'api://knowledge%2eprod',
    'api://knowledge.prod.evil.example',
    'api://knowledge.',
    'knowledge.prod',
    '*',
    '/',
  ])('is one API by every byte: "%s" is none, as audience or as resource', async (target) => {
    await expectRefusal({ audience: target }, 'invalid_target');
    await expectRefusal({ audience: undefined, resource: target }, 'invalid_target');
  });

  it('is named by audience and resource at once only where both name the same', async () => {
    await expectRefusal({ resource: 'api://knowledge.dev' }, 'invalid_target');
    expect((await ask('support-agent', { ...READ, resource: READ.audience })).status).toBe(200);
  });

  it('must be there', async () => {
    await expectRefusal({ audience: undefined }, 'invalid_request');
  });
});

describe('the scope (T69)', () => {
  it.each([
    ['an unknown action', 'articles.burn'],
    ['an action of another API', 'reports.read'],
    ['a known and an unknown action', 'articles.read articles.burn'],
    ['another case', 'Articles.Read'],
    ['a wildcard', '*'],
    ['a tab between', 'articles.read\tarticles.read'],
    ['a line end', 'articles.read\n'],
    ['a quote', 'articles.read"'],
    ['a backslash', 'articles\\read'],
    ['a letter beyond ASCII', 'articles.r\u0435ad'],
    ['DEL', 'articles.read\u007f'],
    [
      'ten thousand actions',
      Array.from({ length: 10_000 }, (_, index) => `a${index}`)
        .join(' ')
        .slice(0, 50_000),
    ],
  ])('is refused: %s', async (_what, scope) => {
    await expectRefusal({ scope }, 'invalid_scope');
  });

  it('is the default of the API when it is absent, empty or blank, and is always told', async () => {
    for (const scope of [undefined, '', ' ', '  '])
      expect((await ask('support-agent', { ...READ, scope })).body).toMatchObject({ scope: 'articles.read' });
  });

  it('is refused when absent where the API has no default', async () => {
    const { body } = await ask('ops-agent', { audience: 'api://operations.dev' });
    expect(body.error).toBe('invalid_scope');
  });

  it('grants an action once, however often and in whatever order it is asked for', async () => {
    const audience = 'api://knowledge.dev';
    const first = await ask('support-agent', { audience, scope: 'articles.write articles.read' });
    const again = await ask('support-agent', {
      audience,
      scope: 'articles.read  articles.write articles.read ',
    });
    expect(first.body.scope).toBe('articles.read articles.write');
    expect(again.body).toMatchObject({ scope: first.body.scope, request_id: first.body.request_id });
  });
});

describe('another party (T72, T73)', () => {
  it.each<[string, Parameters]>([
    ['a token', { actor_token: 'x.y.z' }],
    ['a token and its type', { actor_token: 'x.y.z', actor_token_type: `${TOKEN_TYPE}jwt` }],
    ['a type alone', { actor_token_type: `${TOKEN_TYPE}jwt` }],
  ])('is not acted with: %s of an actor is refused', async (_what, parameters) => {
    await expectRefusal(parameters, 'invalid_request');
  });

  it('is not acted with its own good assertion either', async () => {
    const actor_token = await world.assertion('ops-agent');
    await expectRefusal({ actor_token, actor_token_type: `${TOKEN_TYPE}jwt` }, 'invalid_request');
  });

  it('that the assertion names as its actor is ignored, and told', async () => {
    const actor = { sub: 'ops-agent', act: { sub: 'reporting-agent' } };
    const subject_token = await world.assertion('support-agent', { claims: { act: actor, may_act: actor } });
    const { body } = await world.exchange({ ...READ, subject_token, request_id: 'with-actors' });
    const claims = claimsOf(body.access_token);
    expect(claims).toMatchObject({ sub: 'support-agent', client_id: 'support-agent' });
    expect(Object.keys(claims)).not.toContain('act');
    const { rows } = await sql<{ ignored: string[] }>`
      select convert_from(body, 'UTF8')::jsonb -> 'ignored_claims' as ignored from audit_events
      where request_id = ${body.request_id} and name = 'assertion.verified'`.execute(world.database.db);
    expect(rows).toEqual([{ ignored: ['act', 'may_act'] }]);
  });

  it('is not what an agent may call itself, in the form or by HTTP Basic', async () => {
    await expectRefusal({ client_id: 'ops-agent' }, 'invalid_request');
    expect(await toldReason()).toBe('client_id_mismatch');
    const subject_token = await world.assertion('support-agent');
    const authorization = `Basic ${btoa('ops-agent:')}`;
    const { status, body } = await world.exchange({ ...READ, subject_token }, { headers: { authorization } });
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
  });

  it.each(['SUPPORT-AGENT', 'support-agent ', 'support-agent\u200b', 'nobody'])(
    'is who the client id "%s" names, since it is not the id of the agent',
    async (client_id) => {
      await expectRefusal({ client_id }, 'invalid_request');
    },
  );

  it('is nobody that an object id of Entra could stand for', async () => {
    const { agents } = world.entra.world;
    const { objectId = '', clientId = '' } = agents.find(({ id }) => id === 'support-agent') ?? {};
    for (const client_id of [objectId, clientId]) await expectRefusal({ client_id }, 'invalid_request');
  });
});

describe('the wished lifetime (T74)', () => {
  it.each(['-1', '0', '00', '1.5', '1e9', '0x10', ' 5', '5 ', 'NaN', '99999999999', '٥'])(
    'is refused: "%s"',
    async (requested_expires_in) => {
      await expectRefusal({ requested_expires_in }, 'invalid_request');
    },
  );

  it.each([
    ['9999999999', 45],
    ['1000000000', 45],
    ['46', 45],
    ['44', 44],
    ['1', 1],
  ])('of %s s gives a token of %d s in production at most', async (requested_expires_in, most) => {
    const { body } = await ask('support-agent', {
      ...READ,
      requested_expires_in,
      request_id: `wish-${requested_expires_in}`,
    });
    const { iat, exp } = claimsOf(body.access_token);
    expect(Number(exp) - Number(iat)).toBe(most);
    expect(body.expires_in).toBeLessThanOrEqual(most);
  });

  it('is never longer than what is left of an approval', async () => {
    const parameters = { audience: 'api://reports.prod', scope: 'payroll.export', request_id: 'nearly-over' };
    const { request_id } = (await ask('reporting-agent', parameters)).body;
    expect(await world.vote(request_id, 'approve')).toEqual({ outcome: 'approved' });
    await sql`
      update grants set approved_until = date_trunc('second', now()) + interval '20 seconds'
      where request_id = ${request_id}`.execute(world.database.db);
    const { body } = await ask('reporting-agent', { ...parameters, requested_expires_in: '1000000000' });
    const { iat, exp } = claimsOf(body.access_token);
    expect(Number(exp) - Number(iat)).toBeLessThanOrEqual(20);
    expect(body.expires_in).toBeLessThanOrEqual(20);
  });
});

it('needs the grant type of token exchange in full', async () => {
  for (const grant_type of ['token-exchange', TOKEN_EXCHANGE.toUpperCase(), `${TOKEN_EXCHANGE} `])
    await expectRefusal({ grant_type }, 'unsupported_grant_type');
});
