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

/** Parses a command's arguments strictly. Throws `UsageError`. */
export const parseArguments = <T extends ParseArgsConfig>(args: readonly string[], config: T) => {
  try {
    return parseArgs({ ...config, args: [...args], strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};
