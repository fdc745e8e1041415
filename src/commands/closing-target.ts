/** What `block` and `revoke` are about: one of `--agent`, `--resource`, `--environment`, `--all`. */
import type { BlockKind } from '../storage/tables.ts';
import { UsageError } from './command.ts';

/** For `parseArguments`. */
export const TARGET_OPTIONS = {
  agent: { type: 'string' },
  resource: { type: 'string' },
  environment: { type: 'string' },
  all: { type: 'boolean' },
} as const;

export const TARGET_USAGE = `  --agent ID          one agent
  --resource AUDIENCE one API
  --environment NAME  every API of dev, test or prod
  --all               everything`;

type Options = {
  readonly agent?: string | undefined;
  readonly resource?: string | undefined;
  readonly environment?: string | undefined;
  readonly all?: boolean | undefined;
};

export type ClosingTarget = { readonly kind: BlockKind; readonly subject: string };

/** Those that were named. */
export const targetsOf = ({ agent, resource, environment, all }: Options): ClosingTarget[] => {
  const named: Readonly<Record<BlockKind, string | undefined>> = {
    agent,
    audience: resource,
    environment,
    global: all ? '' : undefined,
  };
  return Object.entries(named).flatMap(([kind, subject]) =>
    subject === undefined ? [] : [{ kind: kind as BlockKind, subject }],
  );
};

/** Exactly one of them. Throws `UsageError`. */
export const parseTarget = (options: Options): ClosingTarget => {
  const [target, ...more] = targetsOf(options);
  if (target === undefined || more.length > 0)
    throw new UsageError('name one of --agent, --resource, --environment, --all');
  return target;
};
