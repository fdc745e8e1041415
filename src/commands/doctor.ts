/** `countersign doctor`: what is wrong between this configuration, Entra, the database and a token, and what to change. */
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { systemClock } from '../clock.ts';
import { diagnose } from '../doctor/diagnose.ts';
import type { Finding, Findings } from '../doctor/finding.ts';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';
import { type Command, parseArguments, UsageError } from './command.ts';

const STANDARD_INPUT = '-';

/** The token in what was pasted: alone, after `Bearer`, or in the JSON that Entra or az answered. */
export const tokenIn = (pasted: string): string => {
  const { value } = parseStrictJson(pasted);
  const named = isJsonObject(value) ? (value.access_token ?? value.accessToken) : undefined;
  const token =
    typeof named === 'string' ? named : pasted.trim().replace(/^(?:authorization:\s*)?bearer\s+/i, '');
  return token.trim();
};

const readToken = async (
  file: string | undefined,
  positionals: readonly string[],
): Promise<string | null> => {
  if (positionals.length > 0)
    throw new UsageError(
      'a token is never an argument, where others can see it: use --token FILE, or --token - for standard input',
    );
  if (file === undefined) return null;
  try {
    const token = tokenIn(
      file === STANDARD_INPUT ? await textOf(process.stdin) : await readFile(file, 'utf8'),
    );
    if (token === '') throw new UsageError('--token: there is nothing to read');
    return token;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : 'unreadable';
    throw new UsageError(`--token: cannot read the file it names (${code})`);
  }
};

const linesOf = ({ check, status, message, advice }: Finding): string =>
  `${status.padEnd(8)} ${check.padEnd(13)} ${message}\n${advice === undefined ? '' : `${''.padEnd(23)}-> ${advice}\n`}`;

const closing = (findings: Findings): string => {
  const problems = findings.filter(({ status }) => status === 'problem').length;
  return problems === 0 ? 'no problem found\n' : `${problems} problem${problems === 1 ? '' : 's'} found\n`;
};

export const doctor: Command = {
  name: 'doctor',
  summary: 'say what is wrong between configuration, Entra, database and a token',
  usage: `doctor [--token FILE] [--json]

Looks at the configuration, the metadata, keys and clock of every trusted tenant, the database with the registry and
policy in force, and the console's authority. Changes nothing.

--token FILE  says of an Entra token whether it is accepted, whose it is, and else what to change in Entra or in the
              registry; - reads it from standard input. The token is never shown. A token is a credential: use one
              that expires soon, and remove the file.
--json        {"ok", "findings": [{"check", "status", "message", "advice"}]}, status ok, note, warning or problem

Exit code 0 if there is no problem, 1 if there is one.`,
  run: async (args, { environment, write, logger }) => {
    const { values, positionals } = parseArguments(args, {
      options: { token: { type: 'string' }, json: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const token = await readToken(values.token, positionals);
    logger.level = 'silent';
    const findings = await diagnose({ environment, token, clock: systemClock, logger });
    const ok = findings.every(({ status }) => status !== 'problem');
    write(
      values.json
        ? `${JSON.stringify({ ok, findings })}\n`
        : `${findings.map(linesOf).join('')}${closing(findings)}`,
    );
    return ok ? 0 : 1;
  },
};
