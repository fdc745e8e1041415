/**
 * How a workload of the lab signs in to Entra: Microsoft's own library, used as any workload uses it. The private
 * authority of the lab's Entra is trusted by the whole process (`trustAuthority`), not by a special client.
 */
import { X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { ConfidentialClientApplication, type NodeAuthOptions } from '@azure/msal-node';

export type EntraAddress = {
  /** With the tenant in its path, such as `https://127.0.0.1:8410/{tenant}`. */
  readonly authority: string;
  /** What to ask for, such as `api://countersign/.default`. */
  readonly scope: string;
};

/** What the workload proves itself with. */
export type WorkloadCredential =
  | { readonly secret: string }
  | { readonly certificate: string; readonly privateKey: string }
  | { readonly federated: () => Promise<string> };

const authOptions = (credential: WorkloadCredential): Partial<NodeAuthOptions> => {
  if ('secret' in credential) return { clientSecret: credential.secret };
  if ('federated' in credential) return { clientAssertion: credential.federated };
  const { fingerprint256 } = new X509Certificate(credential.certificate);
  return {
    clientCertificate: {
      thumbprintSha256: fingerprint256.replaceAll(':', ''),
      privateKey: credential.privateKey,
    },
  };
};

/** Makes the function that gives this workload's assertion; the library keeps it until shortly before it expires. */
export const openWorkload = (
  { authority, scope }: EntraAddress,
  { clientId, credential }: { clientId: string; credential: WorkloadCredential },
): (() => Promise<string>) => {
  const application = new ConfidentialClientApplication({
    auth: {
      clientId,
      authority,
      knownAuthorities: [new URL(authority).host],
      ...authOptions(credential),
    },
  });
  return async () => {
    const result = await application.acquireTokenByClientCredential({ scopes: [scope] });
    if (result === null) throw new Error('Entra answered without a token');
    return result.accessToken;
  };
};

/** Makes this process trust a private authority (PEM) beside the public ones. */
export const trustAuthority = (authority: string): void => {
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), authority]);
};
