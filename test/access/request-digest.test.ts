import { describe, expect, it } from 'vitest';
import { type Asked, requestDigest, termsDigest, termsOf } from '../../src/access/request-digest.ts';
import { sha256 } from '../../src/canonical-json.ts';
import { decisionWith } from '../support/access.ts';

const asked: Asked = {
  agentId: 'reporting-agent',
  audience: 'api://reports.prod',
  scopes: ['payroll.export'],
  authorizationDetails: [{ type: 'limit', amount: 1 }],
  proofKey: null,
};
const NO_WISH = { justification: null, requestedSeconds: null };

describe('the request digest', () => {
  it('is that of the canonical JSON of what is asked', () => {
    expect(requestDigest(asked)).toBe(
      sha256(
        '{"agent":"reporting-agent","audience":"api://reports.prod","authorization_details":[{"amount":1,"type":"limit"}],"proof_key":null,"scopes":["payroll.export"]}',
      ),
    );
  });
  it('is another one for each thing that differs', () => {
    const digests = [
      asked,
      { ...asked, agentId: 'other' },
      { ...asked, audience: 'other' },
      { ...asked, scopes: ['other'] },
      { ...asked, authorizationDetails: [] },
      { ...asked, proofKey: 'other' },
    ].map(requestDigest);
    expect(new Set(digests).size).toBe(digests.length);
  });
});

describe('the terms', () => {
  const decision = decisionWith(
    {
      groups: ['payroll', 'audit'],
      requiredGroups: ['audit'],
      quorum: 2,
      denyQuorum: 2,
      signInSeconds: 600,
      authenticationContexts: ['c1'],
    },
    { maxTokens: 3 },
  );
  it('are what policy decided of what was asked', () => {
    expect(termsOf(asked, decision, { ...NO_WISH, justification: 'month’s end' })).toEqual({
      request_digest: requestDigest(asked),
      justification_hash: sha256('month’s end'),
      scopes: asked.scopes,
      authorization_details: asked.authorizationDetails,
      token_seconds: 45,
      grant_seconds: 900,
      max_tokens: 3,
      quorum: 2,
      deny_quorum: 2,
      groups: ['payroll', 'audit'],
      required_groups: ['audit'],
      sign_in_seconds: 600,
      authentication_contexts: ['c1'],
      rule: 'export-payroll',
      bundle_revision: 'bundle-1',
    });
    expect(termsOf(asked, decision, NO_WISH).justification_hash).toBeNull();
  });
  it.each([
    [30, 30, 30],
    [45, 45, 45],
    [60, 45, 60],
    [10_000, 45, 900],
  ])('of a wish for %i s never last longer than it, nor than policy', (requestedSeconds, token, grant) => {
    expect(termsOf(asked, decision, { ...NO_WISH, requestedSeconds })).toMatchObject({
      token_seconds: token,
      grant_seconds: grant,
    });
  });
  it('of a permit need nobody', () => {
    expect(termsOf(asked, { ...decision, approval: null }, NO_WISH)).toMatchObject({
      quorum: 0,
      groups: [],
      required_groups: [],
      deny_quorum: 0,
      sign_in_seconds: 0,
      authentication_contexts: [],
    });
  });
  it('are signed as a whole', () => {
    const terms = termsOf(asked, decision, NO_WISH);
    for (const name of Object.keys(terms))
      expect(termsDigest({ ...terms, [name]: 'changed' })).not.toBe(termsDigest(terms));
    expect(termsDigest({ ...terms })).toBe(termsDigest(terms));
  });
});
