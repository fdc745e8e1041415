/** An OAuth client library that knows nothing of Countersign: discovery, then the exchange, repeated while pending. */
import * as client from 'openid-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JWT_TYPE, startWorld, type TestWorld, TOKEN_EXCHANGE } from '../support/broker.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const discover = (agent: string, algorithm: 'oauth2' | 'oidc') =>
  client.discovery(new URL(world.issuer), agent, undefined, client.None(), {
    algorithm,
    execute: [client.allowInsecureRequests],
  });

it.each(['oauth2', 'oidc'] as const)('discovers by %s and gets a token', async (algorithm) => {
  const configuration = await discover('support-agent', algorithm);
  const tokens = await client.genericGrantRequest(configuration, TOKEN_EXCHANGE, {
    subject_token: await world.assertion('support-agent'),
    subject_token_type: JWT_TYPE,
    resource: 'api://knowledge.prod',
    scope: 'articles.read',
  });
  expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'articles.read' });
});

it('surfaces a pending answer as an error that says what to do, and gets the token by trying again', async () => {
  const configuration = await discover('reporting-agent', 'oauth2');
  const parameters = {
    subject_token: await world.assertion('reporting-agent'),
    subject_token_type: JWT_TYPE,
    audience: 'api://reports.prod',
    scope: 'payroll.export',
  };
  const pending = await client
    .genericGrantRequest(configuration, TOKEN_EXCHANGE, parameters)
    .catch((error: client.ResponseBodyError) => error);
  if (!(pending instanceof client.ResponseBodyError)) throw new Error('not pending');
  expect(pending.error).toBe('authorization_pending');
  expect(pending.error_description).toContain(`${world.issuer}/approvals/areq_`);
  await world.vote(String(pending.cause.request_id), 'approve');
  const tokens = await client.genericGrantRequest(configuration, TOKEN_EXCHANGE, parameters);
  expect(tokens.scope).toBe('payroll.export');
});
