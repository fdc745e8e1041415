/**
 * X.509 for the lab: a certificate authority of its own, the server's certificate under it, and the certificates
 * with which agents prove themselves. Nothing here is trusted by any machine unless it is told to.
 */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** A certificate and its private key (PKCS #8), both PEM. */
export type CertifiedKey = { readonly certificate: string; readonly privateKey: string };

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
} as const;

const DAY_MS = 86_400_000;
/** The authority lives as long as the lab's directory may. */
const AUTHORITY_DAYS = 3650;
/** Clients refuse server certificates of more than 398 days; this one is made anew at every start. */
const SERVER_DAYS = 90;
/** Certificates begin a day early, so that no clock calls them not yet valid. */
const EARLY_DAYS = 1;

const validity = (now: Date, days: number): { notBefore: Date; notAfter: Date } => ({
  notBefore: new Date(now.getTime() - EARLY_DAYS * DAY_MS),
  notAfter: new Date(now.getTime() + days * DAY_MS),
});

/**
 * RFC 5280 section 4.2.1.10, DER: permittedSubtrees are the name `localhost` and the addresses 127.0.0.0/8. Whoever
 * puts the lab's authority among the trusted ones of a browser gives it power over loopback and nothing else.
 */
const LOOPBACK_ONLY = Buffer.from('301ba019300b82096c6f63616c686f7374300a87087f000000ff000000', 'hex');
const NAME_CONSTRAINTS_OID = '2.5.29.30';

/** RFC 5280 section 4.1.2.2: positive, at most 20 octets. */
const newSerialNumber = (): string => `01${randomBytes(15).toString('hex')}`;

const privatePem = async (key: CryptoKey): Promise<string> =>
  PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

/** Makes a certificate authority named `name`. */
export const createAuthority = async (name: string, now: Date): Promise<CertifiedKey> => {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerialNumber(),
    name: `CN=${name}`,
    ...validity(now, AUTHORITY_DAYS),
    signingAlgorithm: ECDSA,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new Extension(NAME_CONSTRAINTS_OID, true, LOOPBACK_ONLY),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), privateKey: await privatePem(keys.privateKey) };
};

/** Makes a TLS server certificate for this machine's loopback names, signed by `authority`. */
export const createServerCertificate = async (authority: CertifiedKey, now: Date): Promise<CertifiedKey> => {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const issuer = new X509Certificate(authority.certificate);
  const signingKey = await crypto.subtle.importKey(
    'pkcs8',
    PemConverter.decodeFirst(authority.privateKey),
    ECDSA,
    false,
    ['sign'],
  );
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension([
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ]),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer),
  ];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject: 'CN=localhost',
    issuer: issuer.subject,
    ...validity(now, SERVER_DAYS),
    signingAlgorithm: ECDSA,
    publicKey: keys.publicKey,
    signingKey,
    extensions,
  });
  return { certificate: certificate.toString('pem'), privateKey: await privatePem(keys.privateKey) };
};

/**
 * Makes an RSA key with a certificate by itself: what a workload registers at Entra to prove itself with, and what
 * Entra publishes (`x5c`) beside each of its signing keys.
 */
export const createSelfSigned = async (
  name: string,
  now: Date,
  modulusLength: 1024 | 2048 = 2048,
): Promise<CertifiedKey> => {
  const algorithm = { ...RSA, modulusLength };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerialNumber(),
    name: `CN=${name}`,
    ...validity(now, AUTHORITY_DAYS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)],
  });
  return { certificate: certificate.toString('pem'), privateKey: await privatePem(keys.privateKey) };
};
