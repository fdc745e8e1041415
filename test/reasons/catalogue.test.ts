import { describe, expect, it } from 'vitest';
import {
  forged,
  malformed,
  notFound,
  roleMissing,
  selfApproval,
  signedOut,
  signInFailed,
} from '../../src/console/refusals.ts';
import { findReason, REASON_FAMILIES, REFUSAL_EVENTS, reasonOfEvent } from '../../src/reasons/catalogue.ts';
import { reasonsDocument } from '../../src/reasons/document.ts';
import { meaningOf } from '../../src/reasons.ts';

const entries = REASON_FAMILIES.flatMap((family) => family.entries);

describe('the table of reasons', () => {
  it('gives every code one meaning, so that it can be searched for alone', () => {
    const codes = entries.map(({ code }) => code);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
  });

  it.each(entries.map((entry) => [entry.code, entry] as const))(
    '%s says what happened, what to do, what the client sees and by which event it is told',
    (code, { meaning, advice, client, events }) => {
      expect(code).toMatch(/^[a-z_]+$/);
      for (const sentence of [meaning, advice]) expect(sentence).toMatch(/^[A-Za-z].{5,}[.?]$/s);
      expect(client.error).not.toBe('');
      expect(client.status).toBeGreaterThanOrEqual(400);
      expect(events.length).toBeGreaterThan(0);
    },
  );

  it('says of pages what the pages say', () => {
    const page = ({ status, code }: { status: number; code: string }) => ({ status, error: code });
    expect(findReason('no_origin')?.client).toEqual(page(forged));
    expect(findReason('owner')?.client).toEqual(page(selfApproval));
    expect(findReason('not_found')?.client).toEqual(page(notFound));
    expect(findReason('request_hidden')?.client).toEqual(page(notFound));
    expect(findReason('state')?.client).toEqual(page(signInFailed('')));
    expect(findReason('signed_out')?.client).toEqual(page(signedOut('/', 403)));
    expect(findReason('role_missing')?.client).toEqual(page(roleMissing('')));
    expect(findReason('form_malformed')?.client).toEqual(page(malformed('')));
  });

  it('lets every bad assertion and every unknown workload look the same', () => {
    const { error } = meaningOf('assertion_rejected');
    const hidden = entries.filter(({ events }) =>
      events.some((name) => name === 'assertion.rejected' || name === 'agent.rejected'),
    );
    expect(new Set(hidden.map(({ client }) => JSON.stringify(client))).size).toBe(1);
    expect(meaningOf('agent_unknown')).toEqual(meaningOf('assertion_rejected'));
    expect(hidden[0]?.client).toMatchObject({ status: 400, error });
  });

  it('finds the code of a vote beside the reason that the person wrote', () => {
    expect(reasonOfEvent('approval.refused', { refused: 'owner', reason: 'exp' })?.code).toBe('owner');
    expect(reasonOfEvent('assertion.rejected', { reason: 'exp' })?.code).toBe('exp');
  });

  it('takes nothing for a refusal that only looks like one', () => {
    expect(reasonOfEvent('grant.ended', { reason: 'grant_revoked' })).toBeUndefined();
    expect(reasonOfEvent('registry.changed', { reason: 'owner' })).toBeUndefined();
    expect(reasonOfEvent('request.refused', { reason: 'constructor' })).toBeUndefined();
    expect(reasonOfEvent('request.refused', { reason: ['exp'] })).toBeUndefined();
    expect(REFUSAL_EVENTS).not.toContain('grant.ended');
  });
});

describe('docs/reasons.md', () => {
  it('is what the code says (else run this test with -u)', async () => {
    await expect(reasonsDocument()).toMatchFileSnapshot('../../docs/reasons.md');
  });
});
