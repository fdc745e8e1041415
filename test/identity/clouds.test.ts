/** Sovereign clouds: each has issuers and hosts of its own, and none speaks for another (T39). */
import { describe, expect, it } from 'vitest';
import { AUDIENCE, TENANT, v1Assertion, v2Assertion, verifierOf } from './assertions.ts';

const CLOUDS = {
  public: { v2: 'https://login.microsoftonline.com', v1: 'https://sts.windows.net' },
  usgov: { v2: 'https://login.microsoftonline.us', v1: 'https://sts.windows.net' },
  china: { v2: 'https://login.partner.microsoftonline.cn', v1: 'https://sts.chinacloudapi.cn' },
} as const;
type Cloud = keyof typeof CLOUDS;

const verifierIn = async (cloud: Cloud) => {
  const yaml = `[{ tenant: ${TENANT}, cloud: ${cloud}, versions: ['1.0', '2.0'], audiences: [${AUDIENCE}, api://countersign] }]`;
  return (await verifierOf(yaml)).verify;
};
const v2In = (cloud: Cloud): string => v2Assertion({ iss: `${CLOUDS[cloud].v2}/${TENANT}/v2.0` });
const v1In = (cloud: Cloud): string => v1Assertion({ iss: `${CLOUDS[cloud].v1}/${TENANT}/` });

describe.each(Object.keys(CLOUDS) as Cloud[])('a tenant of the cloud %s', (cloud) => {
  it('is believed in its own words, version 1.0 and 2.0', async () => {
    const verify = await verifierIn(cloud);
    expect(await verify(v2In(cloud))).toHaveProperty('workload.version', '2.0');
    expect(await verify(v1In(cloud))).toHaveProperty('workload.version', '1.0');
  });

  it('is not believed in the words of another cloud', async () => {
    const verify = await verifierIn(cloud);
    for (const other of Object.keys(CLOUDS) as Cloud[]) {
      if (other === cloud) continue;
      expect(await verify(v2In(other))).toEqual({ reason: 'issuer' });
      const sharedIssuer = CLOUDS[other].v1 === CLOUDS[cloud].v1;
      expect('reason' in (await verify(v1In(other)))).toBe(!sharedIssuer);
    }
  });
});
