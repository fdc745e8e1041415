/** Refusals at `/token`, for the operator; what the client learns of them is `src/reasons.ts`. */
import type { Reason } from '../reasons.ts';
import type { Explanation } from './explanation.ts';

/**
 * Reasons that the trail tells as they are. Of a bad assertion and of an unknown workload it tells more than the
 * client's one answer: `assertion.ts` and `caller.ts`.
 */
export type ExchangeReason = Exclude<Reason, 'assertion_rejected' | 'agent_unknown'>;

const CLIENT = 'The client is set up wrongly: tell its developer.';
const REGISTRY = 'If the agent should have it, add it to the registry and apply; else tell its developer.';

export const EXCHANGE_REASONS: Readonly<Record<ExchangeReason, Explanation>> = {
  client_authentication: {
    meaning: 'The client sent a secret. Agents have none here: their Entra assertion says who they are.',
    advice:
      'Turn client authentication off in the client. If the secret is real, change it where it is from.',
  },
  client_id_conflict: {
    meaning: 'The form and the Authorization header named two different clients.',
    advice: CLIENT,
  },
  client_id_mismatch: {
    meaning: 'The client_id is not the id of the agent that the assertion proves.',
    advice: 'A client uses another agent’s settings, or somebody tries on a name. Compare both agents.',
  },
  subject_token_missing: {
    meaning: 'No assertion was sent, so nothing is known of who asked.',
    advice: 'The agent did not get a token of Entra, or does not send it as subject_token.',
  },
  subject_token_type: {
    meaning: 'subject_token_type names no kind of token that is taken here.',
    advice: CLIENT,
  },
  requested_token_type: {
    meaning: 'Something else than an access token was asked for, such as a refresh token.',
    advice: CLIENT,
  },
  actor_token: {
    meaning: 'An actor_token was sent. An agent acts here for itself alone.',
    advice: 'Delegation is not supported: the client must leave actor_token out.',
  },
  target_missing: { meaning: 'No API was named.', advice: CLIENT },
  target_ambiguous: {
    meaning: 'Two different APIs were named in one request.',
    advice: 'The client must ask once for each API.',
  },
  target_malformed: { meaning: 'resource is no absolute URI, or has a fragment.', advice: CLIENT },
  target_unknown: {
    meaning: 'The API is not registered or disabled, or the agent’s entry does not name it.',
    advice: REGISTRY,
  },
  target_environment: {
    meaning: 'The agent belongs to one environment and asked for an API of another.',
    advice: 'Check which settings the agent runs with. Agents do not cross environments.',
  },
  scope_malformed: {
    meaning: 'scope is not a list of actions, or has more than 100 of them.',
    advice: CLIENT,
  },
  scope_missing: {
    meaning: 'No action was named, and the API has no default ones.',
    advice: 'The client must name its actions in scope, or the API gets default_scopes in the registry.',
  },
  scope_unknown: {
    meaning:
      'An action is none of the API’s, or is beyond what the agent’s entry allows. Nothing was granted.',
    advice: REGISTRY,
  },
  request_id_unknown: {
    meaning: 'The request_id is malformed, or is a broker’s id that this agent has no request under.',
    advice: 'Once: a mistake. Often and changing: somebody guesses ids of others.',
  },
  request_id_reused: {
    meaning: 'The request_id was used before for something else, or with another proof key.',
    advice:
      'The client must choose a new id for a new request. A changed key may be a stolen assertion: ask.',
  },
  token_missing: { meaning: 'A revocation names no token and no request.', advice: CLIENT },
  token_foreign: {
    meaning: 'An agent tried to revoke a token of another agent. Nothing was changed.',
    advice: 'How did it come by that token? Ask both owners.',
  },
  justification_too_long: { meaning: 'The justification has more than 2,000 characters.', advice: CLIENT },
  requested_expires_in: {
    meaning: 'requested_expires_in is no positive number of seconds.',
    advice: CLIENT,
  },
  authorization_details: {
    meaning: 'authorization_details is no JSON array of objects, or not of the types that the API registers.',
    advice: 'Compare with the API’s authorization_details in the registry.',
  },
  proof_malformed: { meaning: 'The DPoP header is no proof, or there were several.', advice: CLIENT },
  proof_type: { meaning: 'The proof is a token of another kind.', advice: CLIENT },
  proof_algorithm: {
    meaning: 'The proof is signed by an algorithm that is not offered.',
    advice: 'The client must choose one of dpop_signing_alg_values_supported.',
  },
  proof_key: {
    meaning: 'The proof’s public key is missing, weak, private or does not fit its algorithm.',
    advice: 'The client must make a new key. If a private key was sent, it is burnt.',
  },
  proof_signature: { meaning: 'The proof is not signed by its own key.', advice: CLIENT },
  proof_method: { meaning: 'The proof was made for another HTTP method than POST.', advice: CLIENT },
  proof_target: {
    meaning: 'The proof was made for another address than the token endpoint.',
    advice:
      'The client must take the address from the metadata. A proof for another server may be a stolen one.',
  },
  proof_time: {
    meaning: 'The proof is too old or from the future.',
    advice: 'Check the clock of the agent’s machine, and that it makes a proof for each request.',
  },
  proof_replayed: {
    meaning: 'The same proof was sent before.',
    advice: 'A client that repeats itself must make a new proof. Another address than the agent’s: a theft.',
  },
  proof_nonce: {
    meaning: 'The proof carries no nonce of ours, or an old one.',
    advice: 'Nothing, if the next request passes: this is how a client gets its first nonce.',
  },
  proof_required: {
    meaning: 'The rule demands a proof key, and the caller proved none.',
    advice: 'The agent must send DPoP proofs, or the rule must not demand them.',
  },
  replay: {
    meaning: 'The assertion has another request open, and its tenant’s entry says replay: strict.',
    advice:
      'The agent must get a token from Entra for each request (past the library’s cache). If it did, its token was stolen.',
  },
  assertion_superseded: {
    meaning: 'The assertion was issued before what was given to the agent, or to all, was taken back.',
    advice:
      'The agent must get a new assertion from Entra. If it does and this goes on, somebody uses an old one.',
  },
  blocked: {
    meaning: 'A kill switch closes the agent, the API, its environment, or everything.',
    advice: 'See who set it and why on /blocks, and lift it there when it is over.',
  },
  agent_disabled: {
    meaning: 'The agent is disabled in the registry.',
    advice: 'If it should work again, set enabled: true and apply. Else find out why it still runs.',
  },
  denied_by_policy: {
    meaning:
      'A rule denies it, no rule allows it, or the rule no longer accepts the approval that was given.',
    advice: 'The event names the rule. "countersign policy explain" says what would have to be different.',
  },
  denied_by_approver: {
    meaning: 'A person said no, and that still holds for this agent and action.',
    advice:
      'The trace has the denial and its words. It ends by itself after the rule’s hold time, or is lifted there.',
  },
  approval_void: {
    meaning:
      'Enough people had approved, but by the registry now too few of them may decide: who became an owner or sponsor of the agent, or an agent or API, does not count, and accounts of one person count once.',
    advice:
      'The trace says who approved and how many of them still count. The agent has to ask anew, and others have to decide.',
  },
  grant_revoked: {
    meaning:
      'What was granted was taken back before its time: by a person on a page or at the command line, by a kill switch, or by the agent itself.',
    advice:
      'The trace says by whom and why: settle it with them first. What a kill switch closed stays so until it is lifted. Then the agent has to ask anew.',
  },
  request_expired: {
    meaning: 'The agent came back to a request that nobody decided in time.',
    advice: 'Are there approvers for the rule’s groups? The agent has to ask anew.',
  },
  request_cancelled: {
    meaning: 'The agent came back to a request that was cancelled.',
    advice: 'The agent has to ask anew.',
  },
  approval_lapsed: {
    meaning: 'The request was approved, but the agent did not come back in time.',
    advice: 'Was the agent running? It has to ask anew; the rule’s pickup_seconds says how long it may take.',
  },
  grant_over: {
    meaning: 'The agent came back to a grant whose time or number of tokens is used up.',
    advice:
      'The agent has to ask anew. If it runs that long for good cause, the rule’s grant_seconds are short.',
  },
};
