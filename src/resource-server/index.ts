/** The published entry, `countersign/resource-server`: what an API needs to accept the broker's tokens. */
export type { ProvenRequest } from './bound-use.ts';
export { KeysUnavailable } from './issuer-keys.ts';
export { accessTokenOf, type KoaContext, type Protection, protect, protectKoa } from './protect.ts';
export type { Refusal, RefusalReason } from './refusal.ts';
export {
  describeResource,
  type ResourceMetadata,
  type ResourceMetadataOptions,
} from './resource-metadata.ts';
export {
  followRevocations,
  type Revocations,
  type RevocationsOptions,
  RevocationsUnavailable,
} from './revocations.ts';
export {
  createUseReporter,
  type TokenUse,
  type UseReporter,
  type UseReporterOptions,
} from './use-reporter.ts';
export type { VerifiedAccessToken } from './verified-access-token.ts';
export {
  createVerifier,
  type Demand,
  type Verification,
  type Verifier,
  type VerifierOptions,
} from './verifier.ts';
