/** What a follower of revocations says of one token. */
import { type Revocations, RevocationsUnavailable } from '../../src/resource-server/index.ts';

export const seconds = (): number => Math.floor(Date.now() / 1000);

export const tokenFacts = (tokenId = 'tok') => ({
  tokenId,
  keyId: 'key',
  agent: 'support-agent',
  audience: 'api://knowledge.prod',
  environment: 'prod',
  issuedAt: seconds(),
});

export const outcome = (revocations: Revocations, tokenId?: string): string => {
  try {
    return revocations.isRevoked(tokenFacts(tokenId)) ? 'revoked' : 'allowed';
  } catch (error) {
    if (error instanceof RevocationsUnavailable) return 'unavailable';
    throw error;
  }
};
