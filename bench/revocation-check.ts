/** What the question whether a token was revoked adds to a verified call, with more revoked than one will ever see. */
import { createRevocationView } from '../src/resource-server/revocation-view.ts';

const REVOKED = 50_000;
const BLOCKED = 1_000;
const WARM_UP = 100_000;
const COUNT = 1_000_000;

const fill = <Item>(length: number, item: (index: number) => Item): Item[] =>
  Array.from({ length }, (_, index) => item(index));

/** Microseconds of one check, with the age of the view that goes with it. */
export const measureRevocationCheck = (): number => {
  const view = createRevocationView({
    now: Date.now,
    monotonic: () => performance.now(),
    clockToleranceSeconds: 5,
  });
  const issuedAt = Math.floor(Date.now() / 1000);
  const blocked = (kind: string) => fill(BLOCKED, (index) => [`${kind}-${index}`, issuedAt - 60] as const);
  view.take({
    issuedAt,
    cursor: 'bench',
    after: null,
    revoked: fill(REVOKED, (index) => [`tok_${index}`, issuedAt + 120] as const),
    globalNotBefore: issuedAt - 3_600,
    notBefore: { keys: [], agents: blocked('agent'), audiences: blocked('audience'), environments: [] },
  });
  const tokens = fill(BLOCKED, (index) => ({
    tokenId: `tok_good_${index}`,
    keyId: 'key',
    agent: `agent-${index}`,
    audience: `audience-${index}`,
    environment: 'prod',
    issuedAt,
  }));
  let refused = 0;
  const check = (count: number): void => {
    for (let index = 0; index < count; index += 1) {
      const token = tokens[index % BLOCKED];
      if (token === undefined || !(view.ageSeconds() <= 15) || view.isRevoked(token)) refused += 1;
    }
  };
  check(WARM_UP);
  const began = performance.now();
  check(COUNT);
  const micros = ((performance.now() - began) * 1_000) / COUNT;
  if (refused > 0) throw new Error('the check refuses good tokens');
  return micros;
};
