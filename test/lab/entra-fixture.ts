/** A stand-in for Entra on a free port, and clients that talk to it as a program or a browser would. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { ConfidentialClientApplication, type NodeAuthOptions } from '@azure/msal-node';
import { createRemoteJWKSet, type JWTVerifyResult, jwtVerify } from 'jose';
import { type Entra, startEntra } from '../../lab/entra/start-entra.ts';
import { agentOf, openWorld, type World } from '../../lab/world.ts';

export const REDIRECT_URI = 'http://127.0.0.1:8400/sign-in/callback';

export type TestEntra = {
  readonly world: World;
  readonly entra: Entra;
  readonly directory: string;
  readonly stop: () => Promise<void>;
};

/** Makes `fetch` of this process trust the stand-in, as NODE_EXTRA_CA_CERTS does for a process at its start. */
export const trust = async (caFile: string): Promise<void> =>
  setDefaultCACertificates([...getCACertificates('default'), await readFile(caFile, 'utf8')]);

export const startTestEntra = async (): Promise<TestEntra> => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-entra-'));
  const world = await openWorld(directory);
  const entra = await startEntra({ world, directory, port: 0, consoleRedirectUris: [REDIRECT_URI] });
  await trust(entra.caFile);
  const stop = async (): Promise<void> => {
    await entra.stop();
    await rm(directory, { recursive: true });
  };
  return { world, entra, directory, stop };
};

/** msal-node as it comes; the host has to be known, or it would ask the real Entra about it. */
export const msalClient = (
  entra: Entra,
  auth: Omit<NodeAuthOptions, 'authority' | 'knownAuthorities'>,
): ConfidentialClientApplication =>
  new ConfidentialClientApplication({
    auth: {
      ...auth,
      authority: `${entra.authority}/${entra.tenant}`,
      knownAuthorities: [new URL(entra.authority).host],
    },
  });

/** Posts a form to a path of the tenant. */
export const postForm = (
  entra: Entra,
  path: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  fetch(`${entra.authority}/${entra.tenant}${path}`, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers,
  });

/** Calls the lab's management. */
export const manage = (
  entra: Entra,
  method: 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Response> =>
  fetch(`${entra.authority}${path}`, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

/** Verifies a token with the keys published right now, fetched anew; throws as jose does. */
export const verify = (entra: Entra, token: string, version: 1 | 2 = 2): Promise<JWTVerifyResult> => {
  const path = version === 2 ? '/discovery/v2.0/keys' : '/discovery/keys';
  const keys = createRemoteJWKSet(new URL(`${entra.authority}/${entra.tenant}${path}`), {
    timeoutDuration: 500,
  });
  return jwtVerify(token, keys, { algorithms: ['RS256'] });
};

/** A service account token of an agent's pod, from the stand-in cluster. */
export const serviceAccountToken = async (
  entra: Entra,
  agent: string,
  audience?: string,
): Promise<string> => {
  const body = { agent, ...(audience === undefined ? {} : { audience }) };
  const answer = await manage(entra, 'POST', '/lab/service-account-token', body);
  return ((await answer.json()) as { token: string }).token;
};

/** What an agent gets from Entra by its secret. */
export const agentToken = async ({ world, entra }: TestEntra): Promise<string> => {
  const { clientId, clientSecret } = agentOf(world, 'ops-agent');
  const answer = await postForm(entra, '/oauth2/v2.0/token', {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: entra.scope,
  });
  return ((await answer.json()) as { access_token: string }).access_token;
};

export type Key = { readonly kid: string; readonly n: string; readonly issuer?: string };

export const keysUrl = (entra: Entra, version: 1 | 2 = 2): string =>
  `${entra.authority}/${entra.tenant}/discovery/${version === 2 ? 'v2.0/' : ''}keys`;

export const publishedKeys = async (entra: Entra, version: 1 | 2 = 2): Promise<readonly Key[]> =>
  ((await (await fetch(keysUrl(entra, version))).json()) as { keys: Key[] }).keys;

export type SignRequest = {
  readonly header: unknown;
  readonly payload: unknown;
  readonly key: string;
  readonly secret?: string;
};

/** Has something signed; `kid` is the key's that did it. */
export const sign = async (entra: Entra, request: SignRequest): Promise<{ token: string; kid: string }> => {
  const answer = await manage(entra, 'POST', '/lab/sign', request);
  if (answer.status !== 200) throw new Error(`refused to sign: ${await answer.text()}`);
  return (await answer.json()) as { token: string; kid: string };
};

/** A small token signed by this key and naming it. */
export const signBy = async (entra: Entra, key: string): Promise<string> => {
  const { kid } = await sign(entra, { header: {}, payload: {}, key });
  return (await sign(entra, { header: { typ: 'JWT', alg: 'RS256', kid }, payload: { sub: 'x' }, key })).token;
};
