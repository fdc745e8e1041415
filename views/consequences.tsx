/**
 * What an approval or a denial does, in plain words, from the terms alone: the same terms always read the same, and
 * nothing that an agent wrote is among them.
 */
import type { JSX } from 'preact';
import type { Environment } from './badges.tsx';
import { Scopes } from './scopes.tsx';
import { duration, list } from './words.ts';

export type ConsequenceModel = {
  readonly agent: string;
  readonly scopes: readonly string[];
  readonly resource: string;
  readonly environment: Environment | null;
  /** How long the grant lasts, counted from the deciding approval, seconds. */
  readonly grantSeconds: number;
  /** How long after that approval it begins, seconds. */
  readonly startsAfterSeconds: number;
  readonly tokenSeconds: number;
  /** Tokens that may ever be issued under the grant; null: no limit but time. */
  readonly maxTokens: number | null;
  /** How long the approval waits to be collected, seconds. */
  readonly pickupSeconds: number;
  readonly denialHoldSeconds: number;
  /** Whether only the holder of the request's proof key can collect. */
  readonly keyBound: boolean;
  readonly quorum: number;
  readonly approvals: number;
  /** Groups of which somebody must approve, each by a different person. */
  readonly requiredGroups: readonly string[];
  /** Different people whose denial denies. */
  readonly denyQuorum: number;
};

const remaining = (model: ConsequenceModel): string => {
  const { quorum, approvals, requiredGroups, startsAfterSeconds: later } = model;
  if (requiredGroups.length > 0)
    return `${quorum} different people must approve, among them one each of ${list(requiredGroups)}; ${approvals} did so far.`;
  const effect =
    later === 0 ? 'takes effect at once' : `takes effect ${duration(later)} later; no token exists before`;
  if (quorum <= 1) return `One approval is enough; it ${effect}.`;
  return quorum - approvals <= 1
    ? `${quorum} different people must approve; ${approvals} did, so the next approval ${effect}.`
    : `${quorum} different people must approve; ${approvals} did so far.`;
};

const renewal = (maxTokens: number | null): string => {
  if (maxTokens === null)
    return 'A token is renewed only after agent, policy and approval were checked again.';
  return maxTokens === 1
    ? 'It is given one token and never another.'
    : `It is given at most ${maxTokens} tokens in all.`;
};

/** The sentence an approver signs. */
const Sentence = ({ model }: { model: ConsequenceModel }): JSX.Element => (
  <p class="sentence">
    <b>{model.agent}</b> may use <Scopes scopes={model.scopes} /> on <b>{model.resource}</b>
    {model.environment !== null && ` in ${model.environment}`} for up to <b>{duration(model.grantSeconds)}</b>
    . Each token lives at most {duration(model.tokenSeconds)}. It cannot use another action, API or
    environment, and it cannot extend the time.
  </p>
);

/** `open`: the reader can decide; otherwise somebody else has to. */
export const Consequences = ({ model, open }: { model: ConsequenceModel; open: boolean }): JSX.Element => (
  <section class="consequences" aria-labelledby="consequences">
    <h2 id="consequences">{open ? 'If you approve' : 'If it is approved'}</h2>
    <Sentence model={model} />
    <ul>
      <li>{remaining(model)}</li>
      <li>{renewal(model.maxTokens)}</li>
      <li>
        {`If the agent does not collect it within ${duration(model.pickupSeconds)}${model.startsAfterSeconds > 0 ? ' from then' : ''}, the approval lapses.`}
      </li>
      <li class={model.keyBound ? undefined : 'caution'}>
        {model.keyBound
          ? 'Only the holder of the key that this request was signed with can collect it.'
          : 'Not bound to a key: whoever holds this agent’s Entra token can collect it.'}
      </li>
    </ul>
    <p class="if-denied">
      <b>{open ? 'If you deny,' : 'If it is denied,'}</b>{' '}
      {model.denyQuorum > 1 && `together with others (${model.denyQuorum} different people must), `}the agent
      is refused at once, and these actions on this API stay refused for {duration(model.denialHoldSeconds)},
      whatever it asks or says.
    </p>
  </section>
);
