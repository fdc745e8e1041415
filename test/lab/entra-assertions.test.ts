import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { decodeProtectedHeader, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentOf, type WorldAgent } from '../../lab/world.ts';
import { postForm, serviceAccountToken, startTestEntra, type TestEntra } from './entra-fixture.ts';

let lab: TestEntra;
let agent: WorldAgent;

beforeAll(async () => {
  lab = await startTestEntra();
  agent = agentOf(lab.world, 'support-agent');
});
afterAll(() => lab.stop());

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

describe('client assertions', () => {
  const send = async (assertion: string): Promise<Record<string, unknown>> => {
    const answer = await postForm(lab.entra, '/oauth2/v2.0/token', {
      grant_type: 'client_credentials',
      client_id: agent.clientId,
      client_assertion_type: JWT_BEARER,
      client_assertion: assertion,
      scope: lab.entra.scope,
    });
    return (await answer.json()) as Record<string, unknown>;
  };
  const certified = (change: {
    readonly audience?: string;
    readonly expires?: number;
    readonly thumbprintOf?: string;
    readonly privateKey?: string;
  }): Promise<string> => {
    const der = new X509Certificate(change.thumbprintOf ?? agent.certificate).raw;
    return new SignJWT({ jti: 'any' })
      .setProtectedHeader({ alg: 'RS256', x5t: createHash('sha1').update(der).digest('base64url') })
      .setIssuer(agent.clientId)
      .setSubject(agent.clientId)
      .setAudience(change.audience ?? `${lab.entra.authority}/${lab.entra.tenant}/oauth2/v2.0/token`)
      .setExpirationTime(Math.floor(Date.now() / 1000) + (change.expires ?? 300))
      .sign(createPrivateKey(change.privateKey ?? agent.privateKey));
  };

  it('are taken with RS256 and the SHA-1 thumbprint that older clients send', async () => {
    expect(await send(await certified({}))).toMatchObject({ token_type: 'Bearer' });
  });

  it('are refused when expired, meant for another endpoint, or signed with a key that is not registered', async () => {
    const other = agentOf(lab.world, 'ops-agent');
    expect(await send(await certified({ expires: -600 }))).toMatchObject({ error_codes: [700024] });
    expect(await send(await certified({ audience: 'https://elsewhere.example' }))).toMatchObject({
      error_codes: [700023],
    });
    expect(await send(await certified({ privateKey: other.privateKey }))).toMatchObject({
      error_codes: [700027],
    });
    const foreign = await certified({ thumbprintOf: other.certificate, privateKey: other.privateKey });
    expect(await send(foreign)).toMatchObject({ error_codes: [700027] });
    expect(await send('not.a.token')).toMatchObject({ error: 'invalid_client', error_codes: [50027] });
  });

  it("are refused when federated for another agent's pod, for another audience, or altered", async () => {
    expect(await send(await serviceAccountToken(lab.entra, 'ops-agent'))).toMatchObject({
      error_codes: [700213],
    });
    expect(
      await send(await serviceAccountToken(lab.entra, agent.id, 'https://kubernetes.default.svc')),
    ).toMatchObject({
      error_codes: [700212],
    });
    const [header, , signature] = (await serviceAccountToken(lab.entra, 'ops-agent')).split('.');
    const [, payload] = (await serviceAccountToken(lab.entra, agent.id)).split('.');
    expect(await send(`${header}.${payload}.${signature}`)).toMatchObject({ error_codes: [700027] });
  });

  it("carry the kid of the cluster's published key", async () => {
    const answer = await fetch(`${lab.entra.clusterIssuer}/openid/v1/jwks`);
    const { keys } = (await answer.json()) as { keys: { kid: string }[] };
    const { kid } = decodeProtectedHeader(await serviceAccountToken(lab.entra, agent.id));
    expect(keys.map((key) => key.kid)).toEqual([kid]);
  });
});
