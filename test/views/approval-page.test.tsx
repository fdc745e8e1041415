import { renderToString } from 'preact-render-to-string';
import { describe, expect, it } from 'vitest';
import { type ApprovalModel, ApprovalPage } from '../../views/approval-page.tsx';
import { type ConsequenceModel, Consequences } from '../../views/consequences.tsx';

const NOW = new Date('2026-01-31T12:00:00Z');
const consequences: ConsequenceModel = {
  agent: 'Reporting agent',
  scopes: ['payroll.export'],
  resource: 'Reports',
  environment: 'prod',
  grantSeconds: 1800,
  startsAfterSeconds: 0,
  tokenSeconds: 45,
  maxTokens: null,
  pickupSeconds: 600,
  denialHoldSeconds: 3600,
  keyBound: false,
  quorum: 1,
  approvals: 0,
  denyQuorum: 1,
  requiredGroups: [],
};
const model: ApprovalModel = {
  requestId: 'areq_1',
  unusual: [{ kind: 'first_time' }],
  facts: {
    agent: {
      id: 'reporting-agent',
      name: 'Reporting agent',
      description: 'd',
      enabled: true,
      owners: ['Riley Owner'],
      sponsors: [],
    },
    workload: {
      tenantId: 'tenant-id',
      objectId: 'object-id',
      applicationId: 'application-id',
      credential: 'secret',
      roles: [],
      parentApplicationId: null,
      facets: null,
      assertionIssuedAt: NOW,
    },
    resource: {
      audience: 'api://reports.prod',
      name: 'Reports',
      description: 'd',
      environment: 'prod',
      sensitivity: 'high',
    },
    actions: [{ scope: 'payroll.export', words: 'Exports the payroll.' }],
    leftOut: [],
    details: ['{"type":"<b>month</b>"}'],
    policy: {
      rule: 'payroll-export-prod',
      matched: ['payroll-export-prod'],
      reason: 'internal',
      groups: ['payroll'],
      requiredGroups: [],
      bundleRevision: 'bundle-1',
      changedSince: false,
    },
    termsDigest: 'f'.repeat(64),
  },
  consequences,
  standing: {
    state: 'pending',
    openedAt: NOW,
    expiresAt: new Date(NOW.getTime() + 1_800_000),
    approvals: 0,
    quorum: 1,
    grantSeconds: 1800,
    maxTokens: null,
    votes: [],
    grant: null,
    now: NOW,
  },
  words: 'AGENT-WORDS <b>Approved</b>',
  denial: null,
  decision: {
    kind: 'open',
    requestId: 'areq_1',
    termsDigest: 'f'.repeat(64),
    approveToken: 'a',
    denyToken: 'd',
    shown: '',
    narrowing: {
      requestId: 'areq_1',
      scopes: [{ scope: 'payroll.export', kept: true }],
      details: [],
      durations: [1800, 900],
      grantSeconds: 1800,
      starts: [0, 3600],
      startsAfterSeconds: 0,
      maxTokens: null,
      tokensAsked: null,
      sent: null,
      problem: null,
      voids: 0,
    },
    grantSeconds: 1800,
    signer: 'Avery',
    reason: '',
    problem: null,
    reasonWrong: false,
    denied: [],
  },
  notice: null,
};
const page = { nonce: 'n', styles: [], scripts: [], icon: '/i', viewer: null };
const render = (changes: Partial<ApprovalModel> = {}): string =>
  renderToString(<ApprovalPage page={page} model={{ ...model, ...changes }} tag="t" />);
const textOf = (html: string): string =>
  html
    .replaceAll(/<[^>]+>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&amp;', '&');

describe('the labels of an agent identity (T53)', () => {
  const labelled = (workload: Partial<ApprovalModel['facts']['workload']>): string =>
    textOf(render({ facts: { ...model.facts, workload: { ...model.facts.workload, ...workload } } }));

  it('are shown to who approves, as labels', () => {
    const text = labelled({ parentApplicationId: 'blueprint-id', facets: { actor: [3, 11], subject: [13] } });
    expect(text).toContain('blueprint (parent application) blueprint-id');
    expect(text).toContain('acts as: 3 and agent identity (11)');
    expect(text).toContain('subject: agent user (13)');
    expect(text).toContain('Nothing was decided by them.');
  });

  it('are not mentioned of other workloads', () => {
    expect(labelled({})).not.toContain('Nothing was decided by them.');
  });
});

describe('the order of the page', () => {
  it('puts every verified fact before the first of the agent’s words', () => {
    const text = textOf(render());
    const words = text.indexOf('AGENT-WORDS');
    for (const fact of [
      'Reporting agent',
      'object-id',
      'payroll.export',
      'api://reports.prod',
      'prod',
      'high sensitivity',
      '30 minutes',
      'payroll-export-prod',
      'internal',
      'may use',
      'Not bound to a key',
    ]) {
      expect([fact, text.indexOf(fact) >= 0 && text.indexOf(fact) < words]).toEqual([fact, true]);
    }
    expect(words).toBeGreaterThan(0);
  });

  it('shows values the agent chose inside checked details as text', () => {
    expect(render()).toContain('&quot;&lt;b>month&lt;/b>&quot;');
  });
});

describe('what an approval does, in words', () => {
  const wordsOf = (changes: Partial<ConsequenceModel> = {}): string =>
    textOf(renderToString(<Consequences model={{ ...consequences, ...changes }} open />));

  it('is one sentence made of the terms', () => {
    expect(wordsOf()).toContain(
      'Reporting agent may use payroll.export on Reports in prod for up to 30 minutes. Each token lives at most 45 seconds. It cannot use another action, API or environment, and it cannot extend the time.',
    );
  });

  it.each([
    [{ maxTokens: 1 }, 'one token and never another'],
    [{ maxTokens: 3 }, 'at most 3 tokens in all'],
    [{ maxTokens: null }, 'renewed only after agent, policy and approval were checked again'],
    [{ quorum: 2, approvals: 0 }, '2 different people must approve; 0 did so far'],
    [{ quorum: 2, approvals: 1 }, 'the next approval takes effect at once'],
    [{ startsAfterSeconds: 14_400 }, 'it takes effect 4 hours later; no token exists before'],
    [{ keyBound: true }, 'Only the holder of the key'],
    [{ keyBound: false }, 'whoever holds this agent’s Entra token can collect it'],
    [{ pickupSeconds: 90 }, 'within 1 minute 30 seconds'],
    [{ denialHoldSeconds: 7200 }, 'stay refused for 2 hours'],
    [{ scopes: ['a', 'b', 'c'] }, 'may use a, b and c on'],
    [{ environment: null }, 'on Reports for up to'],
  ] as const)('says %j as: %s', (changes, words) => {
    expect(wordsOf(changes)).toContain(words);
  });
});

describe('what did not go as the person or the agent wished', () => {
  it('is told of an action that an approver left out', () => {
    const left = 'Also asked for, and left out: reports.read';
    expect(textOf(render({ facts: { ...model.facts, leftOut: ['reports.read'] } }))).toContain(left);
    expect(textOf(render())).not.toContain('left out');
  });

  it.each([
    [null, 'Allowed for up to 30 minutes.'],
    [1, 'Allowed for up to 30 minutes, with 1 token at most.'],
  ])('is told of what was approved, with %j tokens', (maxTokens, words) => {
    const standing = { ...model.standing, maxTokens };
    expect(textOf(render({ standing: { ...standing, state: 'approved' } }))).toContain(words);
    expect(textOf(render({ standing }))).not.toContain('Allowed for');
  });

  it('is told of a denial that holds no more', () => {
    const denied = render({ standing: { ...model.standing, state: 'denied' } });
    expect(textOf(denied)).toContain('The denial holds no more');
    expect(textOf(render())).not.toContain('The denial holds no more');
  });

  it('is told at the form that it is about', () => {
    const { decision } = model;
    if (decision.kind !== 'open') throw new Error('nothing to decide');
    const narrowing = { ...decision.narrowing, problem: 'Keep at least one action, or deny.' };
    const unnarrowed = render({ decision: { ...decision, narrowing } });
    expect(unnarrowed).toMatch(/<details class="narrowing" open>.*Keep at least one action/s);
    expect(unnarrowed).not.toContain('aria-invalid');
    const stale = { ...decision, problem: 'This page was not made for your present sign-in.' };
    expect(render({ decision: stale })).not.toContain('aria-invalid');
    expect(render({ decision: { ...stale, reasonWrong: true } })).toMatch(
      /id="reason"[^>]*aria-invalid="true"/,
    );
  });
});

describe('what is no longer registered', () => {
  it('is said, never left out or guessed', () => {
    const text = textOf(
      render({
        facts: {
          ...model.facts,
          agent: { ...model.facts.agent, description: null, enabled: false },
          resource: { ...model.facts.resource, description: null, environment: null, sensitivity: null },
          actions: [{ scope: 'gone.scope', words: null }],
        },
      }),
    );
    expect(text).toContain('This agent is no longer registered.');
    expect(text).toContain('This API is no longer registered.');
    expect(text).toContain('gone.scope This action is no longer registered.');
    expect(text).toContain('an approval would give it nothing');
  });
});
