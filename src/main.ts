/** The command line: `countersign COMMAND`. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { pino } from 'pino';
import { apply } from './commands/apply.ts';
import { block } from './commands/block.ts';
import { type Command, type ExitCode, UsageError } from './commands/command.ts';
import { doctor } from './commands/doctor.ts';
import { keys } from './commands/keys.ts';
import { migrate } from './commands/migrate.ts';
import { policy } from './commands/policy.ts';
import { probe } from './commands/probe.ts';
import { revoke } from './commands/revoke.ts';
import { serve } from './commands/serve.ts';
import type { Environment } from './config.ts';
import { escaped } from './escaped.ts';

const COMMANDS: readonly Command[] = [serve, migrate, apply, policy, keys, revoke, block, probe, doctor];

const HELP = `Usage: countersign COMMAND [options]

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

  --env-file FILE  read settings from a file; the environment wins over it
  --help           tell about a command
`;

/** Takes `--env-file FILE` and `--help` out of the arguments: every command has them. */
const takeCommon = (args: readonly string[]) => {
  const rest: string[] = [];
  let envFile: string | undefined;
  let help = false;
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (envFile !== undefined && /^--env-file(?:=|$)/.test(arg))
      throw new UsageError('--env-file is given more than once');
    if (arg === '--help' || arg === '-h') help = true;
    else if (arg.startsWith('--env-file=')) envFile = arg.slice('--env-file='.length);
    else if (arg === '--env-file') {
      index += 1;
      envFile = args[index];
      if (envFile === undefined) throw new UsageError('--env-file needs a file');
    } else rest.push(arg);
  }
  return { rest, envFile, help };
};

const readEnvironment = (envFile: string | undefined): Environment => {
  if (envFile === undefined) return process.env;
  try {
    return { ...parseEnv(readFileSync(envFile, 'utf8')), ...process.env };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error;
    throw new UsageError(`cannot read ${envFile} (${code})`);
  }
};

/** What others named is text on a terminal: no sequence of it moves the cursor or turns a line round. In JSON it is the same. */
const inert = (text: string): string => text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
const write = (text: string): void => void process.stdout.write(inert(text));
const writeError = (text: string): void => void process.stderr.write(inert(text));

const run = async (args: readonly string[]): Promise<ExitCode> => {
  const { rest, envFile, help } = takeCommon(args);
  const [name, ...commandArgs] = rest;
  if (name === undefined) {
    (help ? write : writeError)(HELP);
    return help ? 0 : 2;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) throw new UsageError(`there is no command ${name}\n\n${HELP}`);
  if (help) {
    write(`Usage: countersign ${command.usage}\n`);
    return 0;
  }
  const environment = readEnvironment(envFile);
  const logger = pino({ level: environment.LOG_LEVEL || 'info' }, pino.destination(2));
  try {
    return await command.run(commandArgs, { environment, write, writeError, logger });
  } catch (error) {
    if (error instanceof UsageError)
      throw new UsageError(`${error.message}\n\nUsage: countersign ${command.usage}`);
    throw error;
  }
};

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  writeError(`countersign: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
