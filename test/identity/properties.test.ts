/** What holds for any change of a good assertion, of its claims and of its bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ASSERTION_REASONS, type AssertionReason } from '../../src/reasons/assertion.ts';
import { escapesNames } from '../support/escaped-names.ts';
import {
  AUDIENCE,
  CLIENT,
  HOUR,
  NOW_SECONDS,
  OBJECT,
  TENANT,
  V2_ISSUER,
  v2Assertion,
  v2Claims,
  verifierOf,
} from './assertions.ts';

const { verify } = await verifierOf();

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const isGuid = (value: unknown): boolean => typeof value === 'string' && GUID.test(value);
const isWithin = (value: unknown, from: number, to: number): boolean =>
  Number.isInteger(value) && Number(value) >= from && Number(value) <= to;

type Rule = {
  /** Whether the claim may have this value, the others being good; said by hand, no check of the code is asked. */
  readonly accepts: (value: unknown) => boolean;
  readonly reasons: readonly AssertionReason[];
  /** Values near what is right. */
  readonly near: readonly unknown[];
};

const RULES: Readonly<Record<string, Rule>> = {
  iss: {
    accepts: (v) => v === V2_ISSUER,
    reasons: ['issuer'],
    near: [V2_ISSUER, `${V2_ISSUER}/`, [V2_ISSUER]],
  },
  aud: {
    accepts: (v) => v === AUDIENCE,
    reasons: ['aud'],
    near: [AUDIENCE, [AUDIENCE], AUDIENCE.toUpperCase()],
  },
  ver: { accepts: (v) => v === '2.0', reasons: ['issuer'], near: ['2.0', '1.0', 2] },
  tid: { accepts: (v) => v === TENANT, reasons: ['tid'], near: [TENANT, TENANT.toUpperCase(), [TENANT]] },
  oid: { accepts: isGuid, reasons: ['oid'], near: [OBJECT, CLIENT, OBJECT.toUpperCase(), [OBJECT]] },
  sub: { accepts: (v) => typeof v === 'string' && v !== '', reasons: ['sub'], near: [OBJECT, 'x', '', 0] },
  azp: { accepts: isGuid, reasons: ['client', 'type'], near: [CLIENT, OBJECT, `${CLIENT} `, [CLIENT]] },
  appid: {
    accepts: (v) => v === undefined || v === CLIENT,
    reasons: ['client'],
    near: [CLIENT, OBJECT, null],
  },
  azpacr: {
    accepts: (v) => v === '0' || v === '1' || v === '2',
    reasons: ['credential'],
    near: ['0', '1', '2', '3', 1, ''],
  },
  idtyp: { accepts: (v) => v === 'app', reasons: ['not_app'], near: ['app', 'App', 'user', ['app']] },
  scp: { accepts: (v) => v === undefined, reasons: ['not_app'], near: ['', null, 'x'] },
  uti: {
    accepts: (v) => typeof v === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(v),
    reasons: ['uti'],
    near: ['a'.repeat(64), 'a'.repeat(65), '', 'a b', 'a\n'],
  },
  exp: {
    accepts: (v) => isWithin(v, NOW_SECONDS - 29, NOW_SECONDS - 300 + 25 * HOUR),
    reasons: ['exp', 'lifetime'],
    near: [-30, -29, 0, 0.5, 25 * HOUR - 300, 25 * HOUR - 299, 2 ** 52].map((after) => NOW_SECONDS + after),
  },
  iat: {
    accepts: (v) => isWithin(v, NOW_SECONDS - 24 * HOUR, NOW_SECONDS + 30),
    reasons: ['time', 'lifetime'],
    near: [-24 * HOUR - 31, -24 * HOUR - 1, -24 * HOUR, 0, 0.5, 30, 31].map((after) => NOW_SECONDS + after),
  },
  nbf: {
    accepts: (v) => isWithin(v, 1, NOW_SECONDS + 30),
    reasons: ['time'],
    near: [0, 1, NOW_SECONDS + 30, NOW_SECONDS + 31, NOW_SECONDS - 0.5],
  },
  roles: {
    accepts: (v) =>
      v === undefined ||
      (Array.isArray(v) &&
        v.every((role) => typeof role === 'string' && /^[!-~]+$/.test(role) && role.length <= 120)),
    reasons: ['roles'],
    near: [[], ['A.B'], ['A', 1], [' '], 'A', ['r'.repeat(121)]],
  },
};
/** Whatever these say, nothing is decided by it. */
const LABELS = [
  'upn',
  'name',
  'xms_act_fct',
  'xms_sub_fct',
  'xms_par_app_azp',
  'act',
  'may_act',
  '__proto__x',
];

/** Names with an escape are refused before any claim is looked at. */
const json = fc.jsonValue().filter((value) => !escapesNames(value));
const anyValue = fc.option(json, { nil: undefined });
const changedClaim = fc
  .constantFrom(...Object.keys(RULES))
  .chain((name) =>
    fc
      .oneof(fc.constantFrom(...(RULES[name]?.near ?? [])), anyValue)
      .map((value) => ({ name, value: value as unknown })),
  );

describe('an assertion', { timeout: 60_000 }, () => {
  it('with one claim changed is accepted if that is a value it may have, else refused for that claim', async () => {
    await fc.assert(
      fc.asyncProperty(changedClaim, async ({ name, value }) => {
        const { accepts, reasons } = RULES[name] as Rule;
        const asSent: unknown = value === undefined ? undefined : JSON.parse(JSON.stringify(value));
        const result = await verify(v2Assertion({ [name]: value }));
        if (accepts(asSent)) expect(result).toHaveProperty('workload');
        else expect(reasons).toContain('reason' in result && result.reason);
      }),
      { seed: 1, numRuns: 1_500 },
    );
  });

  it('with any claims changed is never accepted but by all of them, and never throws', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(changedClaim, { minLength: 2, maxLength: 6 }), async (changes) => {
        const claims = Object.fromEntries(changes.map(({ name, value }) => [name, value]));
        const result = await verify(v2Assertion(claims));
        const named = JSON.parse(JSON.stringify({ ...v2Claims(), ...claims }));
        if ('reason' in result) expect(Object.keys(ASSERTION_REASONS)).toContain(result.reason);
        else
          for (const [name, { accepts }] of Object.entries(RULES))
            if (name !== 'iat' && name !== 'exp') expect([name, accepts(named[name])]).toEqual([name, true]);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it('says the same of its workload whatever its labels are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...LABELS), json, async (name, value) => {
        const result = await verify(v2Assertion({ [name]: value }));
        expect(result).toMatchObject({
          workload: { objectId: OBJECT, applicationId: CLIENT, tenantId: TENANT },
        });
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('is for us by one string alone: no value that merely holds ours is our audience (T43, T44)', async () => {
    const shape = fc.letrec((tie) => ({
      leaf: fc.constantFrom(AUDIENCE, AUDIENCE.toUpperCase(), `${AUDIENCE}/`, ` ${AUDIENCE}`, '', null, 0),
      value: fc.oneof(
        { maxDepth: 3 },
        tie('leaf'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('0', 'length', 'aud', 'toString'), tie('value'), { maxKeys: 3 }),
      ),
    })).value;
    await fc.assert(
      fc.asyncProperty(shape, async (aud) => {
        const result = await verify(v2Assertion({ aud }));
        if (aud === AUDIENCE) expect(result).toHaveProperty('workload');
        else expect(result).toEqual({ reason: 'aud' });
      }),
      { seed: 4, numRuns: 400 },
    );
  });

  it('with any byte changed, left out or put in is refused, and never throws', async () => {
    const good = v2Assertion();
    const byte = fc.oneof(
      fc.constantFrom(...'ABab09-_=.+/ \n\0\u00e9\ud800'),
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    );
    const edit = fc.record({
      at: fc.nat(good.length),
      removed: fc.nat(3),
      put: fc.array(byte, { maxLength: 3 }).map((bytes) => bytes.join('')),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const changed = edits.reduce(
          (text, { at, removed, put }) => text.slice(0, at) + put + text.slice(at + removed),
          good,
        );
        const result = await verify(changed);
        if (changed === good) expect(result).toHaveProperty('workload');
        else expect(Object.keys(ASSERTION_REASONS)).toContain('reason' in result && result.reason);
      }),
      { seed: 5, numRuns: 5_000 },
    );
  });
});
