/** A denial that holds, as pages tell it to this person, and whether they may lift it. */
import type { HeldDenialModel } from '../../views/held-denial.tsx';
import { checkLifter, type DeniedRequest, findDenied, type Lifter } from '../access/lift-denial.ts';
import { conditionsOf } from '../access/quorum.ts';
import { whoIsWho } from '../access/who-is-who.ts';
import { type Action, issueActionToken } from './action-token.ts';
import type { ConsoleContext, ConsoleParts } from './console-parts.ts';
import { namesOf } from './people.ts';
import type { Session } from './sessions.ts';
import { signInFirst } from './sign-in-first.ts';

/** What a lifting is bound to. */
export const liftAction = (session: Session, { requestId, termsDigest }: DeniedRequest): Action => ({
  sessionDigest: session.digest,
  requestId,
  termsDigest,
  shown: '',
  verdict: 'lift',
});

/** The person of this session, as the registry in force knows them; null: nobody knows who answers for the agent. */
export const lifterOf = (parts: ConsoleParts, session: Session, agentId: string): Lifter | null => {
  const who = whoIsWho(parts.registry(), agentId);
  return who && { person: session, who };
};

const CLOSED = {
  not_eligible: 'An approver of a group that could decide on it may lift it, or an Operator.',
  not_a_person: 'Deciding is for people only.',
  owner: 'You answer for this agent. Its owners and sponsors never lift a denial of its requests.',
} as const;

const liftingModel = (
  parts: ConsoleParts,
  session: Session,
  denied: DeniedRequest,
): HeldDenialModel['lifting'] => {
  const lifter = lifterOf(parts, session, denied.agentId);
  if (lifter === null) return { kind: 'closed', why: 'The agent is not registered any more.' };
  const now = parts.clock();
  const barred = checkLifter(denied.terms, lifter, now);
  if (barred === 'not_eligible' || barred === 'not_a_person' || barred === 'owner')
    return { kind: 'closed', why: CLOSED[barred] };
  const demands = [conditionsOf(denied.terms)];
  const first = signInFirst(`/requests/${denied.requestId}`, session, { demands, now });
  if (first !== null) return { kind: 'sign_in_again', ...first };
  return {
    kind: 'open',
    token: issueActionToken(parts.actionKey, liftAction(session, denied), now),
    signer: `${session.name} (${session.username})`,
  };
};

/** Null: no denial of this request holds, or nobody is signed in. */
export const heldDenial = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  about: {
    readonly requestId: string;
    /** What the person typed into its form before. */
    readonly typed: string;
    readonly problem: string | null;
    readonly reasonWrong: boolean;
  },
): Promise<HeldDenialModel | null> => {
  const { session } = context.state;
  if (session === null) return null;
  const denied = await findDenied(parts.database, about.requestId);
  if (denied === null || denied.heldUntil === null) return null;
  const names = await namesOf(parts.database, denied.deniedBy);
  return {
    requestId: denied.requestId,
    deniedBy: denied.deniedBy.map((person) => names(person) ?? person.object),
    heldUntil: denied.heldUntil,
    now: denied.now,
    reason: about.typed,
    problem: about.problem,
    reasonWrong: about.reasonWrong,
    lifting: liftingModel(parts, session, denied),
  };
};
