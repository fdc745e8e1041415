/** An assertion for each agent of the estate, signed once by the stand-in for Entra with the claims of a real one. */
import { readFile } from 'node:fs/promises';
import type { Entra } from '../lab/entra/start-entra.ts';
import { trustAuthority } from '../lab/workload.ts';
import { agentOf, type World } from '../lab/world.ts';
import { AGENTS, workloadOf } from './estate.ts';

/** Longer than any run, and no longer than the assertion of a managed identity. */
const LIFETIME_SECONDS = 20 * 3_600;

const post = async (url: string, body: string, type: string): Promise<unknown> => {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
};

const decode = (part: string | undefined): Readonly<Record<string, unknown>> =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString());

/** What Entra gives an agent of the lab: the pattern of all others. */
const issueOne = async (world: World, entra: Entra): Promise<string> => {
  const { clientId, clientSecret } = agentOf(world, 'support-agent');
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: entra.scope,
  });
  const url = `${entra.authority}/${entra.tenant}/oauth2/v2.0/token`;
  const answer = await post(url, form.toString(), 'application/x-www-form-urlencoded');
  return (answer as { access_token: string }).access_token;
};

/** By agent, in order. Makes this process trust the stand-in. */
export const signAssertions = async (world: World, entra: Entra): Promise<string[]> => {
  trustAuthority(await readFile(entra.caFile, 'utf8'));
  const [header, claims] = (await issueOne(world, entra)).split('.', 2).map(decode);
  const signed: string[] = [];
  for (let agent = 0; agent < AGENTS; agent += 1) {
    const { object, application } = workloadOf(agent);
    const payload = {
      ...claims,
      exp: Number(claims?.iat) + LIFETIME_SECONDS,
      azp: application,
      oid: object,
      sub: object,
      uti: `bench-${agent}`,
    };
    const body = JSON.stringify({ header, payload, key: 'current' });
    const answer = await post(`${entra.authority}/lab/sign`, body, 'application/json');
    signed.push((answer as { token: string }).token);
  }
  return signed;
};
