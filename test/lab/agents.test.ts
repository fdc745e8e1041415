import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Run } from '../../lab/agents/run.ts';
import { startAgent } from '../../lab/agents/start-agent.ts';
import type { WebServer } from '../../lab/web-server.ts';

type Reply = { readonly status: number; readonly body: unknown; readonly headers?: Record<string, string> };

/** What the broker and the API answer, one after the other; the last answer stays. */
let brokerReplies: Reply[];
let apiReply: Reply;
let asked: { readonly form: URLSearchParams; readonly at: number }[];
let called: string[];
let servers: { readonly close: () => Promise<void> }[];

beforeEach(() => {
  asked = [];
  called = [];
  servers = [];
  apiReply = { status: 200, body: { hello: 'world' } };
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
});

const claims = { sub: 'support-agent', aud: 'api://knowledge.prod', txn: 'areq_1', jti: 'tok_1' };
const accessToken = ['{"alg":"ES256"}', JSON.stringify(claims), 'signature']
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.');
const issued: Reply = {
  status: 200,
  body: {
    access_token: accessToken,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: 45,
    scope: 'articles.read',
    request_id: 'areq_1',
  },
};
const pending = (interval: number, error = 'authorization_pending'): Reply => ({
  status: 400,
  body: { error, error_description: 'waits', request_id: 'areq_1', interval, expires_in: 600 },
});
const denied: Reply = {
  status: 400,
  body: {
    error: 'access_denied',
    error_description: 'agents never do this',
    reason: 'x',
    request_id: 'areq_1',
  },
};

/** A broker and an API on one port, answering as the test says. */
const startWorld = async (): Promise<string> => {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const send = (reply: Reply): void => {
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
      response.end(JSON.stringify(reply.body));
    };
    if (request.url === '/token') {
      asked.push({ form: new URLSearchParams(body), at: performance.now() });
      send((brokerReplies.length > 1 ? brokerReplies.shift() : brokerReplies[0]) ?? denied);
    } else {
      called.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      send(apiReply);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push({
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const start = async (
  options: { id?: string; assertion?: () => Promise<string> } = {},
): Promise<WebServer> => {
  const world = await startWorld();
  const agent = await startAgent({
    id: options.id ?? 'support-agent',
    port: 0,
    tokenEndpoint: `${world}/token`,
    assertion: options.assertion ?? (async () => 'the-assertion'),
    credentialWords: 'a secret',
    prove: null,
    service: null,
    apis: [
      {
        audience: 'api://knowledge.prod',
        url: `${world}/prod`,
        calls: [{ scope: 'articles.read', method: 'GET', path: '/articles' }],
      },
    ],
  });
  servers.unshift(agent);
  return agent;
};

const post = async (agent: WebServer, body: unknown): Promise<{ status: number; run: Run }> => {
  const answer = await fetch(`${agent.url}/run`, { method: 'POST', body: JSON.stringify(body) });
  return { status: answer.status, run: (await answer.json()) as Run };
};
const read = async (agent: WebServer, id: string): Promise<Run> =>
  (await (await fetch(`${agent.url}/runs/${id}`)).json()) as Run;

/** Runs an errand and waits for the state in which the test wants to see it. */
const runUntil = async (agent: WebServer, body: unknown, done: (run: Run) => boolean): Promise<Run> => {
  const { run } = await post(agent, body);
  return await expect
    .poll(() => read(agent, run.id), { timeout: 20_000, interval: 20 })
    .toSatisfy(done)
    .then(() => read(agent, run.id));
};
const ended = ({ state }: Run): boolean => ['done', 'refused', 'failed'].includes(state);

describe('an errand', () => {
  it('signs in, exchanges the assertion, calls the API with the token, and keeps none of the two', async () => {
    brokerReplies = [issued];
    const run = await runUntil(await start(), { scenario: 'read-knowledge' }, ended);
    expect(run).toMatchObject({
      agent: 'support-agent',
      scenario: 'read-knowledge',
      state: 'done',
      request_id: 'areq_1',
      token: claims,
      answer: { status: 200, body: { hello: 'world' } },
    });
    expect(run.steps.map(({ name }) => name)).toEqual(['signed_in', 'asked', 'token', 'called']);
    expect(called).toEqual([`GET /prod/articles Bearer ${accessToken}`]);
    expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'the-assertion',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'api://knowledge.prod',
      scope: 'articles.read',
      justification: expect.stringContaining('password'),
      request_id: run.id,
    });
    expect(JSON.stringify(run)).not.toContain('the-assertion');
    expect(JSON.stringify(run)).not.toContain(accessToken);
  });

  it('repeats the same request at the pace that the broker sets, also when it is told to slow down', async () => {
    brokerReplies = [pending(1), pending(2, 'slow_down'), issued];
    const run = await runUntil(await start(), { scenario: 'read-knowledge' }, ended);
    expect(run.state).toBe('done');
    expect(run.repeats).toBe(1);
    expect(run.steps.map(({ name }) => name)).toEqual(['signed_in', 'asked', 'waiting', 'token', 'called']);
    const [first, second, third] = asked;
    expect(second?.form.toString()).toBe(first?.form.toString());
    expect(third?.form.toString()).toBe(first?.form.toString());
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(990);
    expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThan(1_990);
  });

  it('ends with a refusal, and calls nothing', async () => {
    brokerReplies = [denied];
    const run = await runUntil(await start(), { scenario: 'read-knowledge' }, ended);
    expect(run).toMatchObject({ state: 'refused', request_id: 'areq_1', token: null });
    expect(run.steps.at(-1)?.text).toBe('The broker said access_denied: agents never do this');
    expect(called).toEqual([]);
  });

  it('asks again when the broker is away, after the pause that it names', async () => {
    brokerReplies = [{ status: 503, body: {}, headers: { 'retry-after': '1' } }, issued];
    const run = await runUntil(await start(), { scenario: 'read-knowledge' }, ended);
    expect(run.steps.map(({ name }) => name)).toEqual(['signed_in', 'asked', 'trouble', 'token', 'called']);
    expect((asked[1]?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThan(990);
  });

  it('fails, and says so, when Entra does not sign the agent in', async () => {
    const assertion = async (): Promise<string> => {
      throw new Error('Entra is away');
    };
    const run = await runUntil(await start({ assertion }), { scenario: 'read-knowledge' }, ended);
    expect(run).toMatchObject({
      state: 'failed',
      steps: [{ name: 'failed', text: 'Gave up: Entra is away' }],
    });
    expect(asked).toEqual([]);
  });

  it('says that it was taken back when the token that it keeps has no successor', async () => {
    const kept = { ...issued, body: { ...(issued.body as object), expires_in: 1, grant_expires_in: 60 } };
    brokerReplies = [kept, denied];
    const run = await runUntil(await start({ id: 'reporting-agent' }), { scenario: 'rotation' }, ended);
    expect([run.state, run.tokens.length, run.steps.at(-1)?.name]).toEqual(['refused', 1, 'refused']);
  });

  it('is refused when the API refuses the token', async () => {
    brokerReplies = [issued];
    apiReply = { status: 403, body: { error: 'insufficient_scope' } };
    const run = await runUntil(await start(), { scenario: 'read-knowledge' }, ended);
    expect(run).toMatchObject({ state: 'refused', answer: { status: 403 } });
  });

  it('can be anything the caller names, with its own request id and wished duration', async () => {
    brokerReplies = [denied];
    const body = {
      audience: 'api://reports.dev',
      scope: 'reports.read payroll.export',
      justification: 'because',
      requested_expires_in: 60,
      request_id: 'my-own-id',
    };
    const run = await runUntil(await start(), body, ended);
    expect(run).toMatchObject({ audience: 'api://reports.dev', scope: 'reports.read payroll.export' });
    const {
      subject_token: _,
      grant_type: __,
      subject_token_type: ___,
      ...sent
    } = Object.fromEntries(asked[0]?.form ?? []);
    expect(sent).toEqual({ ...body, requested_expires_in: '60' });
  });
});

describe('the server', () => {
  it('refuses what is no errand', async () => {
    const agent = await start();
    expect((await post(agent, { scenario: 'delete-database' })).status).toBe(404);
    expect((await post(agent, { audience: 'x' })).status).toBe(400);
    expect((await post(agent, [])).status).toBe(400);
    expect((await fetch(`${agent.url}/run`, { method: 'POST', body: '{' })).status).toBe(400);
    expect((await fetch(`${agent.url}/runs/run-unknown`)).status).toBe(404);
  });

  it('ends the errands that wait when it is closed', async () => {
    brokerReplies = [pending(60)];
    const agent = await start();
    await runUntil(agent, { scenario: 'read-knowledge' }, ({ state }) => state === 'waiting');
    servers.shift();
    await agent.close();
    expect(asked).toHaveLength(1);
  });
});
