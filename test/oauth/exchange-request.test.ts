import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExchangeRequest } from '../../src/oauth/exchange-request.ts';
import { formOf } from '../support/form.ts';

const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const VALID = { subject_token: 'assertion', subject_token_type: JWT, audience: 'api://reports.prod' };

const parse = (changes: Record<string, string | string[] | undefined>, authorization?: string) =>
  parseExchangeRequest(formOf({ ...VALID, ...changes }), authorization);
const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString('base64')}`;

describe('the parameters of an exchange', () => {
  it('are read with their defaults', () => {
    expect(parse({})).toEqual({
      value: {
        subjectToken: 'assertion',
        claimedClientId: null,
        audience: 'api://reports.prod',
        scopes: null,
        issuedTokenType: ACCESS_TOKEN,
        requestId: null,
        justification: null,
        requestedSeconds: null,
        authorizationDetails: [],
      },
    });
  });

  it.each<[string, Record<string, string | string[] | undefined>, Record<string, unknown>]>([
    ['the same audience twice', { audience: ['api://a', 'api://a'] }, { audience: 'api://a' }],
    ['resource alone', { audience: undefined, resource: 'api://a' }, { audience: 'api://a' }],
    ['both with one name', { audience: 'api://a', resource: 'api://a' }, { audience: 'api://a' }],
    ['the access token type of courtesy', { subject_token_type: ACCESS_TOKEN }, {}],
    ['the jwt asked for', { requested_token_type: JWT }, { issuedTokenType: JWT }],
    ['scopes in any order, twice', { scope: 'b  a b' }, { scopes: ['a', 'b'] }],
    ['an own key', { request_id: 'run-7~a' }, { requestId: { kind: 'own', value: 'run-7~a' } }],
    [
      "the broker's id",
      { request_id: 'areq_0123456789abcdefABCD-_' },
      { requestId: { kind: 'broker', value: 'areq_0123456789abcdefABCD-_' } },
    ],
    ['a wish', { requested_expires_in: '60' }, { requestedSeconds: 60 }],
    ['a wish beyond everything', { requested_expires_in: '9999999999' }, { requestedSeconds: 1_000_000_000 }],
    ['a client id', { client_id: 'support-agent' }, { claimedClientId: 'support-agent' }],
    [
      'details',
      { authorization_details: '[{"type":"payroll"}]' },
      { authorizationDetails: [{ type: 'payroll' }] },
    ],
    ['a long justification', { justification: '✓'.repeat(2000) }, { justification: '✓'.repeat(2000) }],
  ])('take %s', (_what, changes, expected) => {
    expect(parse(changes).value).toMatchObject(expected);
  });

  it.each<[string, Record<string, string | string[] | undefined>]>([
    ['subject_token_missing', { subject_token: undefined }],
    ['subject_token_type', { subject_token_type: undefined }],
    ['subject_token_type', { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }],
    ['subject_token_type', { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }],
    ['actor_token', { actor_token: 'x' }],
    ['requested_token_type', { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }],
    ['target_missing', { audience: undefined }],
    ['target_ambiguous', { audience: ['api://a', 'api://b'] }],
    ['target_ambiguous', { audience: 'api://a', resource: 'api://b' }],
    ['target_malformed', { audience: undefined, resource: 'not a uri' }],
    ['target_malformed', { audience: undefined, resource: 'api://a#b' }],
    ['scope_malformed', { scope: 'a"b' }],
    ['scope_malformed', { scope: 'a\tb' }],
    ['scope_malformed', { scope: Array.from({ length: 101 }, (_, i) => `s${i}`).join(' ') }],
    ['request_id_unknown', { request_id: 'a b' }],
    ['request_id_unknown', { request_id: 'a'.repeat(129) }],
    ['request_id_unknown', { request_id: 'areq_mine' }],
    ['justification_too_long', { justification: 'x'.repeat(2001) }],
    ['requested_expires_in', { requested_expires_in: '0' }],
    ['requested_expires_in', { requested_expires_in: '-1' }],
    ['requested_expires_in', { requested_expires_in: '1.5' }],
    ['authorization_details', { authorization_details: '{' }],
    ['authorization_details', { authorization_details: '{}' }],
    ['authorization_details', { authorization_details: '[{}]' }],
    ['authorization_details', { authorization_details: '[null]' }],
    ['authorization_details', { authorization_details: '[{"type":"a","type":"b"}]' }],
    // APIs read it in the token with engines that take such a name for another (nodejs/node#63785).
    ['authorization_details', { authorization_details: '[{"type":"a","in":{"\\"":1}}]' }],
    ['client_authentication', { client_secret: 'secret' }],
    ['client_authentication', { client_assertion: 'jwt' }],
  ])('are refused as %s: %j', (reason, changes) => {
    expect(parse(changes)).toEqual({ reason });
  });

  it('never throw, whatever they hold', () => {
    const names = [...Object.keys(VALID), 'scope', 'request_id', 'authorization_details', 'client_id'];
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })),
        fc.option(fc.string(), { nil: undefined }),
        (changes, authorization) => {
          const parsed = parse(changes, authorization);
          expect('reason' in parsed || 'value' in parsed).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('a client id by HTTP Basic', () => {
  it('is form-decoded and may repeat the form', () => {
    expect(parse({}, basic('support%2Dagent:')).value?.claimedClientId).toBe('support-agent');
    expect(parse({ client_id: 'a' }, basic('a:')).value?.claimedClientId).toBe('a');
  });
  it.each([
    ['a secret', basic('support-agent:secret')],
    ['no id', basic(':')],
    ['no colon', basic('support-agent')],
    ['bad encoding', basic('%zz:')],
    ['another scheme', 'Bearer token'],
    ['nothing', ''],
  ])('is refused with %s', (_what, authorization) => {
    expect(parse({}, authorization)).toEqual({ reason: 'client_authentication' });
  });
  it('is refused when it contradicts the form', () => {
    expect(parse({ client_id: 'a' }, basic('b:'))).toEqual({ reason: 'client_id_conflict' });
  });
});
