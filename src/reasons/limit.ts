/** Rate limits, by what is counted. The client is told which one it reached, and when to come back. */
import type { Explanation } from './explanation.ts';

export const LIMIT_REASONS = {
  limit_address: {
    meaning:
      'Too many assertions of one address, or of one workload that is no agent, were rejected, or named unknown keys while Entra was away.',
    advice:
      'Look at the rejections before it, and whether Entra answers. Where many agents share an address, raise the limit address.',
  },
  limit_exchange: {
    meaning: 'An agent exchanged more often than the limit allows.',
    advice: 'An agent that keeps its tokens until they end needs few: tell its developer, or raise exchange.',
  },
  limit_miss: {
    meaning: 'An agent was refused too often before policy was asked; what else it gets wrong is not told.',
    advice: 'Look at the refusals before it: the client is set up wrongly, or somebody tries out names.',
  },
  limit_poll: {
    meaning: 'An agent repeated its pending requests more often than all of its processes should.',
    advice: 'The client asks Entra for a new token for every repeat: tell its developer.',
  },
  limit_audience: {
    meaning: 'Tokens for one API were asked for more often than the limit allows, by all agents together.',
    advice: 'Look which agents ask, or raise audience.',
  },
  limit_report: {
    meaning: 'An API reported more uses of its tokens than the limit allows. It may report them later.',
    advice: 'Look at its trail: is it that busy, raise report; else its assertion may be in wrong hands.',
  },
  limit_introspection: {
    meaning: 'An API asked about more tokens than the limit allows.',
    advice: 'Let it check tokens by itself with resource-server, or raise introspection.',
  },
  limit_vote: {
    meaning: 'A person sent more votes in a minute than anybody reads requests.',
    advice: 'Ask the person. A script that votes in a session must not be there.',
  },
  limit_sign_in: {
    meaning: 'Too many sign-ins were begun from one address.',
    advice: 'Many people behind one address: raise sign_in. Else something opens the page again and again.',
  },
  limit_open: {
    meaning: 'An agent has as many requests waiting for people as it may have.',
    advice: 'Decide those that wait. The agent asks for too much at a time, or for what nobody approves.',
  },
} as const satisfies Record<string, Explanation>;

export type LimitReason = keyof typeof LIMIT_REASONS;
