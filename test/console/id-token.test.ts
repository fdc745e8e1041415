import { expect, it } from 'vitest';
import { checkIdToken, type ExpectedIdToken } from '../../src/console/id-token.ts';

const NOW = new Date('2026-01-31T12:00:00Z');
const TENANT = '5f0e7c1a-4f0d-4c8e-9d55-0c6a3f5b8e01';
const CLIENT = '9a1b2c3d-4f0d-4c8e-9d55-0c6a3f5b8e01';

const expected: ExpectedIdToken = {
  issuer: `https://login.example/${TENANT}/v2.0`,
  tenantId: TENANT,
  clientId: CLIENT,
  nonce: 'the nonce',
  now: NOW,
};
const good = {
  ver: '2.0',
  iss: expected.issuer,
  aud: CLIENT,
  tid: TENANT,
  oid: '0b14d8a2-1111-4222-8333-444455556666',
  nonce: 'the nonce',
  exp: NOW.getTime() / 1000 + 60,
  name: 'A Person',
  preferred_username: 'person@lab.example',
  roles: ['Auditor', 'Approver', 'Auditor'],
};

it('names the person, in one spelling, with roles sorted and once', () => {
  expect(checkIdToken({ ...good, oid: good.oid.toUpperCase() }, expected)).toEqual({
    person: {
      tenant: TENANT,
      object: good.oid,
      name: 'A Person',
      username: 'person@lab.example',
      roles: ['Approver', 'Auditor'],
      authenticatedAt: null,
      authenticationContexts: [],
    },
  });
});

it.each([
  [{ auth_time: NOW.getTime() / 1000 - 60 }, new Date(NOW.getTime() - 60_000), []],
  [{ auth_time: NOW.getTime() / 1000 + 3600 }, null, []],
  [{ acrs: 'c1' }, null, ['c1']],
  [{ acrs: ['c1', 'c2'] }, null, ['c1', 'c2']],
])('keeps when and how the person proved who they are, as far as Entra says so: %j', (said, at, contexts) => {
  expect(checkIdToken({ ...good, ...said }, expected)).toMatchObject({
    person: { authenticatedAt: at, authenticationContexts: contexts },
  });
});

it('takes a person without roles or a display name, but never one without an object id', () => {
  const { roles: _, name: __, ...bare } = good;
  expect(checkIdToken(bare, expected)).toMatchObject({ person: { name: 'person@lab.example', roles: [] } });
  expect(checkIdToken({ ...good, oid: '' }, expected)).toEqual({ reason: 'id_token_claims' });
});

it.each([
  ['id_token_tenant', { tid: '11111111-4f0d-4c8e-9d55-0c6a3f5b8e01' }],
  ['id_token_issuer', { iss: `https://login.example/11111111-4f0d-4c8e-9d55-0c6a3f5b8e01/v2.0` }],
  ['id_token_issuer', { iss: `${expected.issuer}/` }],
  ['id_token_audience', { aud: '11111111-2c3d-4f0d-8c8e-9d550c6a3f5b' }],
  ['id_token_claims', { aud: [CLIENT, 'other'] }],
  ['id_token_nonce', { nonce: 'another nonce' }],
  ['id_token_claims', { nonce: undefined }],
  ['id_token_expired', { exp: NOW.getTime() / 1000 }],
  ['id_token_claims', { exp: '9999999999' }],
  ['id_token_claims', { ver: '1.0' }],
  ['id_token_claims', { roles: 'Approver' }],
  ['id_token_claims', { oid: '00000000-0000-0000-0000-000000000000' }],
  ['id_token_not_a_person', { idtyp: 'app' }],
  ['id_token_not_a_person', { xms_sub_fct: '2 13' }],
  ['id_token_not_a_person', { xms_act_fct: '11 3' }],
] as const)('refuses another %s: %j', (reason, change) => {
  expect(checkIdToken({ ...good, ...change }, expected)).toEqual({ reason });
});

it.each([null, 'text', [], {}])('refuses %j as claims', (token) => {
  expect(checkIdToken(token, expected)).toEqual({ reason: 'id_token_claims' });
});

it.each([
  ['turned text and what cannot be seen', '\u202EAda\u202C\u200B L.', 'Ada L.'],
  ['a tower of marks', `A${'\u0351'.repeat(60)}`, `A${'\u0351'.repeat(4)}`],
  ['nothing that can be seen', '\u200B\u2060', 'person@lab.example'],
])('takes a name without %s', (_, name, shown) => {
  expect(checkIdToken({ ...good, name }, expected)).toMatchObject({ person: { name: shown } });
});
