/** One vote that counts, and one thing changed in it at a time; `vote*.test.ts` cast them on the database. */
import { describe, expect, it } from 'vitest';
import {
  type Counted,
  checkVote,
  groupsOf,
  type LockedRequest,
  signedTerms,
  type Vote,
} from '../../src/access/check-vote.ts';
import { narrowedTerms } from '../../src/access/narrowing.ts';
import { termsDigest, termsOf } from '../../src/access/request-digest.ts';
import { AGENT, APPROVAL, AUDIENCE, approver, decisionWith, VOTED_ON, whoIs } from '../support/access.ts';

const NOW = new Date('2026-01-31T12:00:00Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

const decision = decisionWith({ groups: ['payroll', 'security'] });
const FILES = { type: 'files', folders: ['finance', 'people'] };
const terms = termsOf(
  { agentId: AGENT, audience: AUDIENCE, scopes: ['read'], authorizationDetails: [FILES], proofKey: null },
  decision,
  { justification: null, requestedSeconds: null },
);
const request: LockedRequest = {
  id: 'areq_1',
  agent_id: AGENT,
  audience: AUDIENCE,
  scopes: ['read'],
  state: 'pending',
  terms,
  terms_digest: termsDigest(terms),
  decision,
  quorum: 1,
  expired: false,
  current: true,
  now: NOW,
};
const riley = approver({ signedInAt: ago(60) });
const vote: Vote = {
  requestId: request.id,
  verdict: 'approve',
  reason: 'month end',
  termsDigest: request.terms_digest,
  approver: riley,
  ...VOTED_ON,
};
const asks = (approval: Partial<typeof APPROVAL>): Partial<Vote> => ({
  decisionNow: { ...VOTED_ON.decisionNow, approval: { ...APPROVAL, ...approval } },
});
const policyDenies: Partial<Vote> = {
  decisionNow: { decision: 'deny', approval: null, bundleRevision: 'bundle-2' },
};
const by = (changes: Partial<typeof riley>): Partial<Vote> => ({ approver: { ...riley, ...changes } });
const castBy = (account: typeof riley, present: boolean): Counted => ({
  ...account,
  groups: ['payroll'],
  verdict: 'approve',
  present,
});

const less = {
  scopes: ['read'],
  authorizationDetails: [{ ...FILES, folders: ['people'] }],
  grantSeconds: 300,
  maxTokens: null,
};
const lessTerms = narrowedTerms(terms, less);
const narrowed: Partial<Vote> = {
  narrowing: less,
  mayShorten: (type, field) => type === 'files' && field === 'folders',
  termsDigest: termsDigest(lessTerms),
};
const wider = { ...less, grantSeconds: terms.grant_seconds + 1 };

describe('a vote counts', () => {
  it.each<[string, Partial<Vote>, Partial<LockedRequest>, readonly Counted[]]>([
    ['that signs the terms as they are', {}, {}, []],
    ['that denies them', { verdict: 'deny' }, {}, []],
    ['that denies what policy denies by now, too', { verdict: 'deny', ...policyDenies }, {}, []],
    ['that signs what it leaves of the terms', narrowed, {}, []],
    [
      'that signs the digest stored with the terms, whoever computed it',
      { termsDigest: 'stored' },
      { terms_digest: 'stored' },
      [],
    ],
    ['of somebody who voted on earlier terms only', {}, {}, [castBy(riley, false)]],
    ['beside that of another person', {}, {}, [castBy(approver(), true)]],
    ['of somebody who signed in an hour ago', by({ signedInAt: ago(3600) }), {}, []],
    [
      'of a group that policy asks now, though others are asked as well',
      asks({ groups: ['x', 'payroll'] }),
      {},
      [],
    ],
    [
      'of somebody in one more group than policy asks now',
      { ...by({ roles: ['Approver.payroll', 'Approver.security'] }), ...asks({ groups: ['security'] }) },
      {},
      [],
    ],
    [
      'when policy asks nobody any more',
      { decisionNow: { ...VOTED_ON.decisionNow, approval: null } },
      {},
      [],
    ],
    [
      'of somebody who proved to Entra what policy asks now',
      { ...by({ authenticatedAt: ago(60) }), ...asks({ signInSeconds: 60 }) },
      {},
      [],
    ],
  ])('%s', (_name, changes, changed, counted) => {
    expect(checkVote({ ...request, ...changed }, { ...vote, ...changes }, counted)).toBeUndefined();
  });
});

describe('a vote does not count', () => {
  it.each<[string, string, Partial<Vote>, Partial<LockedRequest>, readonly Counted[]]>([
    ['not_a_person', 'of an agent or an API', { who: whoIs({ workloads: [riley] }) }, {}, []],
    ['not_eligible', 'of a group that is not asked', by({ roles: ['Approver.x'] }), {}, []],
    ['not_eligible', 'of somebody who may open the queue only', by({ roles: ['Approver'] }), {}, []],
    ['not_eligible', 'of somebody in a group of that name elsewhere', by({ roles: ['payroll'] }), {}, []],
    ['owner', 'of who answers for the agent', { who: whoIs({ owners: [riley] }) }, {}, []],
    ['sign_in_too_old', 'more than an hour after signing in', by({ signedInAt: ago(3601) }), {}, []],
    ['sign_in_too_old', 'of a sign-in without a time', by({ signedInAt: new Date(Number.NaN) }), {}, []],
    ['already_decided', 'once others decided', {}, { state: 'approved' }, []],
    ['already_decided', 'once time is over', {}, { expired: true }, []],
    ['already_voted', 'twice', {}, {}, [castBy(approver(), true), castBy(riley, true)]],
    ['narrowing_invalid', 'that denies a part', { ...narrowed, verdict: 'deny' }, {}, []],
    [
      'narrowing_invalid',
      'that leaves more',
      { ...narrowed, narrowing: wider, termsDigest: termsDigest(narrowedTerms(terms, wider)) },
      {},
      [],
    ],
    [
      'narrowing_invalid',
      'that shortens a list of which fewer may be more',
      { ...narrowed, mayShorten: () => false },
      {},
      [],
    ],
    ['terms_changed', 'on other terms', { termsDigest: termsDigest(lessTerms) }, {}, []],
    [
      'terms_changed',
      'that leaves other than was shown',
      { ...narrowed, termsDigest: request.terms_digest },
      {},
      [],
    ],
    ['not_eligible_now', 'of a group that policy asks no more', asks({ groups: ['security'] }), {}, []],
    ['policy_denies', 'that approves what policy denies by now', policyDenies, {}, []],
    ['step_up_missing', 'that policy wants stronger by now', asks({ signInSeconds: 60 }), {}, []],
    [
      'step_up_missing',
      'that was to be stronger when it was asked',
      {},
      { terms: { ...terms, authentication_contexts: ['c1'] } },
      [],
    ],
    [
      'step_up_missing',
      'that denies, either',
      { verdict: 'deny', ...asks({ authenticationContexts: ['c1'] }) },
      {},
      [],
    ],
    [
      'step_up_missing',
      'that was to be fresher when it was asked, though policy asks nobody any more',
      { decisionNow: { ...VOTED_ON.decisionNow, approval: null } },
      { terms: { ...terms, sign_in_seconds: 60 } },
      [],
    ],
  ])('(%s) %s', (reason, _name, changes, changed, counted) => {
    const found = { ...request, ...changed };
    const terms_digest = termsDigest(found.terms);
    const shown = found.terms === terms ? {} : { termsDigest: terms_digest };
    expect(checkVote({ ...found, terms_digest }, { ...vote, ...shown, ...changes }, counted)).toBe(reason);
  });

  it('of one person’s second account beside the first', () => {
    const second = approver({ signedInAt: ago(60) });
    const who = whoIs({ accounts: [riley, second] });
    expect(checkVote(request, { ...vote, approver: second, who }, [castBy(riley, true)])).toBe(
      'already_voted',
    );
  });

  it('and tells who may not vote nothing of what became of the request', () => {
    const decided = { ...request, state: 'denied' };
    expect(checkVote(decided, { ...vote, ...by({ roles: [] }) }, [])).toBe('not_eligible');
    expect(checkVote(decided, { ...vote, who: whoIs({ owners: [riley] }) }, [])).toBe('owner');
    expect(checkVote(decided, { ...vote, ...by({ signedInAt: ago(3601) }) }, [])).toBe('sign_in_too_old');
  });
});

it('signs the terms of the request, or what it leaves of them', () => {
  expect(signedTerms(request, vote)).toBe(terms);
  expect(signedTerms(request, { ...vote, ...narrowed })).toEqual(lessTerms);
});

it('stands for those of the groups asked that its approver is in', () => {
  const both = by({ roles: ['Approver.security', 'Approver.x', 'Approver.payroll'] });
  expect(groupsOf(request, { ...vote, ...both })).toEqual(['payroll', 'security']);
});
