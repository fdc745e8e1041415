/**
 * How long a token goes on working after it was taken back, end to end: a person presses the button on the token's page,
 * at one of two broker processes behind a balancer; three APIs, each a process of its own behind the published
 * middleware, refuse the next call.
 */
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { freePort } from '../src/storage/free-port.ts';
import { startBalancer } from './balancer.ts';
import { askedBy } from './estate.ts';
import { quantile } from './load.ts';
import { signInOperator } from './operator.ts';
import { startApi, startBroker } from './servers.ts';
import type { Surroundings } from './surroundings.ts';

const BROKERS = 2;
const APIS = 3;
/** Between two calls of the API while the refusal is awaited; the figure is as coarse as this. */
const CALL_PAUSE_MS = 2;
/** A revoke comes at any moment of the brokers' pace, not always just after they looked. */
const REVOKE_SPREAD_MS = 250;
const GIVE_UP_MS = 10_000;

/** Milliseconds from the click to the first refusal. */
export type PropagationTimes = { readonly count: number; readonly p50: number; readonly p99: number };

const startBrokers = async (
  { settings, directory }: Surroundings,
  parts: AsyncDisposableStack,
): Promise<string> => {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const ports: number[] = [];
  for (let index = 0; index < BROKERS; index += 1) {
    const listen = await freePort();
    const broker = await startBroker(
      {
        ...settings,
        COUNTERSIGN_URL: issuer,
        COUNTERSIGN_LISTEN: `127.0.0.1:${listen}`,
        COUNTERSIGN_OPERATIONS_LISTEN: `127.0.0.1:${await freePort()}`,
      },
      `${directory}/replica-${index}.log`,
    );
    parts.defer(broker.stop);
    ports.push(listen);
  }
  const balancer = await startBalancer(port, ports);
  parts.defer(balancer.close);
  return issuer;
};

/** A new token each time. */
const exchange = async (issuer: string, index: number, assertion: string): Promise<string> => {
  const { audience, scope } = askedBy(index % APIS);
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: assertion,
      audience,
      scope,
      request_id: `revoked-${index}`,
    }),
  });
  if (!answer.ok) throw new Error(`the exchange answered ${answer.status}: ${await answer.text()}`);
  const { access_token } = (await answer.json()) as { access_token: string };
  return access_token;
};

const call = (agent: Agent, port: number, accessToken: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${accessToken}` };
    const sent = request({ agent, host: '127.0.0.1', port, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end();
  });

/** Measures `count` revokes, in one lane for each API. */
export const measurePropagation = async (
  surroundings: Surroundings,
  count: number,
): Promise<PropagationTimes> => {
  await using parts = new AsyncDisposableStack();
  const { assertions } = surroundings;
  const issuer = await startBrokers(surroundings, parts);
  const operator = await signInOperator(surroundings, issuer);
  const connections = new Agent({ keepAlive: true });
  parts.defer(() => connections.destroy());
  const times: number[] = [];

  const measureOne = async (index: number, port: number): Promise<void> => {
    const agent = index % APIS;
    const token = await exchange(issuer, index, assertions[agent] ?? '');
    const press = await operator.openToken(String(decodeJwt(token).jti));
    const first = await call(connections, port, token);
    if (first !== 200) throw new Error(`the API answers a good token with ${first}`);
    await pause(Math.random() * REVOKE_SPREAD_MS);
    const began = performance.now();
    await press();
    for (;;) {
      const status = await call(connections, port, token);
      const passed = performance.now() - began;
      if (status === 401) {
        times.push(passed);
        return;
      }
      if (status !== 200 || passed > GIVE_UP_MS)
        throw new Error(`after ${Math.round(passed)} ms the API still answers ${status}`);
      await pause(CALL_PAUSE_MS);
    }
  };
  const lane = async (agent: number): Promise<void> => {
    const api = await startApi(issuer, askedBy(agent).audience);
    parts.defer(api.stop);
    for (let index = agent; index < count; index += APIS) await measureOne(index, api.port);
  };
  await Promise.all(Array.from({ length: APIS }, (_, agent) => lane(agent)));
  return { count: times.length, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
};
