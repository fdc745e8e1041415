/** What a command of `countersign` is. */
import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import type { Logger } from 'pino';
import type { Environment } from '../config.ts';

/** 0: done. 1: failed. 2: wrong usage. */
export type ExitCode = 0 | 1 | 2;

export type CommandIo = {
  /** Environment, completed by `--env-file`. */
  readonly environment: Environment;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  readonly logger: Logger;
};

export type Command = {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints after the name. */
  readonly usage: string;
  readonly run: (args: readonly string[], io: CommandIo) => Promise<ExitCode>;
};

/** Arguments that the command does not take; answered with its usage and exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Of two values of one option the last would win in silence: `--environment prod --environment dev` would close dev alone. */
const refuseRepeated = (args: readonly string[], { options = {} }: ParseArgsConfig): void => {
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, tokens: true });
  const given = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option' || options[token.name]?.multiple) continue;
    if (given.has(token.name)) throw new UsageError(`--${token.name} is given more than once`);
    given.add(token.name);
  }
};

/** Parses a command's arguments strictly. Throws `UsageError`. */
export const parseArguments = <T extends ParseArgsConfig>(args: readonly string[], config: T) => {
  try {
    refuseRepeated(args, config);
    return parseArgs({ ...config, args: [...args], strict: true });
  } catch (error) {
    throw error instanceof UsageError
      ? error
      : new UsageError(error instanceof Error ? error.message : String(error));
  }
};
