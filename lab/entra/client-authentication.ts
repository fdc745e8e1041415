/**
 * How an application proves itself at the token endpoint: a secret (in the form or by HTTP Basic), a client assertion
 * signed with its certificate (RFC 7523), or one signed by the cluster it runs in (workload identity federation).
 */
import { createHash, createPublicKey, timingSafeEqual } from 'node:crypto';
import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import { FEDERATION_AUDIENCE } from './cluster.ts';
import { EntraFailure } from './failure.ts';
import type { Application } from './registrations.ts';
import { type Tenant, v1Issuer, v2Issuer } from './tenant.ts';
import type { ProofOfClient } from './tokens.ts';

/** RFC 7523 section 2.2. */
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const CLOCK_TOLERANCE_SECONDS = 300;

/** An application that has proved itself, and how. */
export type AuthenticatedClient = { readonly application: Application; readonly proof: ProofOfClient };

type Credentials = {
  readonly clientId: string;
  readonly secret: string | null;
  readonly assertion: string | null;
};

/** RFC 6749 section 2.3.1: id and secret are form-encoded before they go into Basic. */
const decodeBasic = (authorization: string): { clientId: string; secret: string } | undefined => {
  const encoded = /^Basic (?<credentials>[A-Za-z0-9+/=]+)$/i.exec(authorization)?.groups?.credentials;
  if (encoded === undefined) return undefined;
  const [id = '', secret = ''] = Buffer.from(encoded, 'base64').toString('utf8').split(/:(.*)/s);
  const decoded = new URLSearchParams(`id=${id}&secret=${secret}`);
  return { clientId: decoded.get('id') ?? '', secret: decoded.get('secret') ?? '' };
};

const readCredentials = (form: URLSearchParams, authorization: string): Credentials => {
  const basic = decodeBasic(authorization);
  const clientId = form.get('client_id') || basic?.clientId;
  if (!clientId) {
    throw new EntraFailure(900144, "The request body must contain the following parameter: 'client_id'.");
  }
  const assertion = form.get('client_assertion_type') === JWT_BEARER ? form.get('client_assertion') : null;
  return { clientId, secret: form.get('client_secret') ?? basic?.secret ?? null, assertion };
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const checkSecret = (application: Application, secret: string): void => {
  if (timingSafeEqual(digest(secret), digest(application.clientSecret))) return;
  throw new EntraFailure(
    7000215,
    'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not ' +
      `the client secret ID, for a secret added to app '${application.clientId}'.`,
  );
};

const thumbprint = (fingerprint: string): string =>
  Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url');

const failureOf = (error: unknown): unknown => {
  if (
    error instanceof errors.JWTExpired ||
    (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf')
  ) {
    return new EntraFailure(700024, 'Client assertion is not within its valid time range.');
  }
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') {
    return new EntraFailure(700023, 'Client assertion audience claim does not match Realm issuer.');
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new EntraFailure(
      700027,
      "The client assertion's signature could not be verified with the registered key.",
    );
  }
  if (error instanceof errors.JOSEError || error instanceof TypeError) {
    return new EntraFailure(50027, 'JWT token is invalid or malformed.');
  }
  return error;
};

const verifyCertified = async (
  tenant: Tenant,
  application: Application,
  assertion: string,
): Promise<void> => {
  const header = decodeProtectedHeader(assertion);
  const { certificate } = application;
  const known =
    certificate !== null &&
    (header.x5t === thumbprint(certificate.fingerprint) ||
      header['x5t#S256'] === thumbprint(certificate.fingerprint256));
  if (!known) {
    throw new EntraFailure(
      700027,
      'The certificate with identifier used to sign the client assertion is not registered on application.',
    );
  }
  const base = `${tenant.authority}/${tenant.id}`;
  const options: JWTVerifyOptions = {
    algorithms: ['RS256', 'PS256'],
    issuer: application.clientId,
    subject: application.clientId,
    audience: [`${base}/oauth2/v2.0/token`, `${base}/oauth2/token`, v2Issuer(tenant), v1Issuer(tenant)],
    requiredClaims: ['exp'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };
  await jwtVerify(assertion, certificate.publicKey, options);
};

const verifyFederated = async (
  tenant: Tenant,
  application: Application,
  { assertion, claims }: { readonly assertion: string; readonly claims: JWTPayload },
): Promise<void> => {
  if (claims.sub !== application.federatedSubject) {
    throw new EntraFailure(
      700213,
      `No matching federated identity record found for presented assertion subject '${claims.sub}'.`,
    );
  }
  const audiences = typeof claims.aud === 'string' ? [claims.aud] : claims.aud;
  if (audiences?.length !== 1 || audiences[0] !== FEDERATION_AUDIENCE) {
    throw new EntraFailure(
      700212,
      'No matching federated identity record found for presented assertion audience.',
    );
  }
  const { kty, n, e } = tenant.cluster.key.published;
  const key = createPublicKey({ key: { kty, n, e }, format: 'jwk' });
  const options: JWTVerifyOptions = {
    algorithms: ['RS256'],
    requiredClaims: ['exp'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };
  await jwtVerify(assertion, key, options);
};

const checkAssertion = async (tenant: Tenant, application: Application, assertion: string): Promise<void> => {
  try {
    const claims = decodeJwt(assertion);
    // Who signed decides which key to try; the key then decides whether it is true.
    if (claims.iss === tenant.cluster.issuer)
      await verifyFederated(tenant, application, { assertion, claims });
    else await verifyCertified(tenant, application, assertion);
  } catch (error) {
    throw failureOf(error);
  }
};

/**
 * Finds the application that sent `form` and checks its proof.
 * @throws EntraFailure in Entra's words when there is no such application or its proof is not good
 */
export const authenticateClient = async (
  tenant: Tenant,
  form: URLSearchParams,
  authorization: string,
): Promise<AuthenticatedClient> => {
  const { clientId, secret, assertion } = readCredentials(form, authorization);
  const application = tenant.registrations.find(clientId);
  if (application === undefined) {
    throw new EntraFailure(
      700016,
      `Application with identifier '${clientId}' was not found in the directory '${tenant.id}'.`,
    );
  }
  if (assertion !== null) {
    await checkAssertion(tenant, application, assertion);
    return { application, proof: '2' };
  }
  if (secret !== null && secret !== '') {
    checkSecret(application, secret);
    return { application, proof: '1' };
  }
  throw new EntraFailure(
    7000218,
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  );
};
