import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALL_APIS } from '../../lab/apis/all-apis.ts';
import { type Api, ENVIRONMENTS } from '../../lab/apis/api.ts';
import { startApi } from '../../lab/apis/start-api.ts';
import type { WebServer } from '../../lab/web-server.ts';
import { json, type LocalIssuer, startIssuer } from '../resource-server/local-issuer.ts';

type Report = {
  readonly credential: string | undefined;
  readonly entries: readonly Record<string, unknown>[];
};

let broker: LocalIssuer;
let servers: WebServer[];
let reports: Report[];

beforeEach(async () => {
  broker = await startIssuer();
  servers = [];
  reports = [];
  broker.answer('/token-use', (request, response, body) => {
    reports.push({ credential: request.headers.authorization, entries: JSON.parse(body) });
    json(200, { recorded: 1 })(request, response, body);
  });
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await broker.close();
});

const start = async (api: Api): Promise<WebServer> => {
  const server = await startApi(api, {
    port: 0,
    issuer: broker.issuer,
    environments: ENVIRONMENTS.map((environment) => ({
      environment,
      audience: `api://${api.name}.${environment}`,
      resource: `http://127.0.0.1:8421/${environment}`,
      credential: async () => `assertion of ${api.name}.${environment}`,
    })),
    onProblem: (problem) => expect.fail(problem),
  });
  servers.push(server);
  return server;
};
const bearer = async (audience: string, scope: string): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await broker.sign({ aud: audience, scope })}`,
});
const apiNamed = (name: string): Api => {
  const api = ALL_APIS.find((candidate) => candidate.name === name);
  if (api === undefined) throw new Error(`no API ${name}`);
  return api;
};

describe.each(ALL_APIS.map((api) => [api.name, api] as const))('the %s API', (_name, api) => {
  it.each(ENVIRONMENTS)(
    'performs each action in %s for a token of that audience and scope',
    async (environment) => {
      const { url } = await start(api);
      for (const { method, example, scope } of api.open(environment)) {
        const headers = await bearer(`api://${api.name}.${environment}`, scope);
        const answer = await fetch(`${url}/${environment}${example}`, { method, headers });
        expect(answer.status, `${method} ${example}`).toBeLessThan(300);
        expect(await answer.json()).not.toEqual({});
      }
    },
  );

  it('refuses every action without a token, with a token of another environment, and with another scope', async () => {
    const { url } = await start(api);
    for (const { method, example, scope } of api.open('prod')) {
      const call = async (headers: Record<string, string>): Promise<number> =>
        (await fetch(`${url}/prod${example}`, { method, headers })).status;
      expect(await call({})).toBe(401);
      expect(await call(await bearer(`api://${api.name}.test`, scope))).toBe(401);
      expect(await call(await bearer(`api://${api.name}.prod`, 'other.scope'))).toBe(403);
    }
  });

  it('has an action for each scope that it is registered with, and default scopes among them', () => {
    const offered = new Set(api.open('dev').map((action) => action.scope));
    expect(offered).toEqual(new Set(Object.keys(api.scopes)));
    for (const scope of api.defaultScopes) expect(offered).toContain(scope);
  });
});

it('tells in each environment who issues its tokens, at the address that its challenge names', async () => {
  const { url } = await start(apiNamed('reports'));
  for (const environment of ENVIRONMENTS) {
    const { headers } = await fetch(`${url}/${environment}/reports`);
    const named = /resource_metadata="([^"]+)"/.exec(headers.get('www-authenticate') ?? '')?.[1] ?? '';
    const { pathname } = new URL(named);
    expect(pathname).toBe(`/.well-known/oauth-protected-resource/${environment}`);
    expect(await (await fetch(`${url}${pathname}`)).json()).toEqual({
      resource: `http://127.0.0.1:8421/${environment}`,
      audience: `api://reports.${environment}`,
      authorization_servers: [broker.issuer],
      scopes_supported: ['reports.read', 'figures.follow', 'payroll.export'],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: ['ES256', 'Ed25519', 'EdDSA', 'RS256'],
      resource_name: `Reports (${environment})`,
    });
  }
});

describe('what an action does', () => {
  it('lasts, in its own environment only', async () => {
    const { url } = await start(apiNamed('operations'));
    const remove = async (environment: string): Promise<number> => {
      const headers = await bearer(`api://operations.${environment}`, 'database.delete');
      return (await fetch(`${url}/${environment}/databases/orders`, { method: 'DELETE', headers })).status;
    };
    expect(await remove('dev')).toBe(200);
    expect(await remove('dev')).toBe(404);
    expect(await remove('prod')).toBe(200);
  });

  it('is signed with the agent of the token, and a body that does not fit is refused', async () => {
    const { url } = await start(apiNamed('knowledge'));
    const headers = await bearer('api://knowledge.prod', 'articles.write');
    const publish = (body: string): Promise<Response> =>
      fetch(`${url}/prod/articles`, { method: 'POST', headers, body });
    const answer = await publish(JSON.stringify({ title: 'Opening hours' }));
    expect(await answer.json()).toMatchObject({ title: 'Opening hours', author: 'support-agent' });
    expect((await publish('{"title":7}')).status).toBe(400);
    expect((await publish('not json')).status).toBe(400);
    expect((await publish('x'.repeat(70_000))).status).toBe(400);
  });
});

describe('uses', () => {
  it("reach the broker before the API is closed, with the credential of the API's environment", async () => {
    const api = await start(apiNamed('reports'));
    const call = async (environment: string, scope: string): Promise<number> => {
      const headers = await bearer(`api://reports.${environment}`, scope);
      return (await fetch(`${api.url}/${environment}/reports`, { headers })).status;
    };
    expect(await call('prod', 'reports.read')).toBe(200);
    expect(await call('test', 'payroll.export')).toBe(403);
    await api.close();
    servers = [];
    const told = reports.flatMap(({ credential, entries }) =>
      entries.map((entry) => `${credential}: ${entry.outcome} ${entry.status}`),
    );
    expect(told.sort()).toEqual([
      'Bearer assertion of reports.prod: allowed 200',
      'Bearer assertion of reports.test: refused 403',
    ]);
  });
});
