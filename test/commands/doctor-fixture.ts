/** Runs `countersign doctor` in this process, on the settings of a world and a token in a file. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, inject } from 'vitest';
import { doctor } from '../../src/commands/doctor.ts';
import type { Environment } from '../../src/config.ts';
import type { Finding } from '../../src/doctor/finding.ts';

export type Examined = {
  readonly code: number;
  readonly written: string;
  readonly findings: readonly Finding[];
};

/** What it finds with these settings; `pasted` is the content of the file of `--token`. */
export const examine = async (environment: Environment, pasted?: string): Promise<Examined> => {
  const args = ['--json'];
  if (pasted !== undefined) {
    const file = join(await mkdtemp(join(inject('runDirectory'), 'doctor-')), 'token');
    await writeFile(file, pasted);
    args.push('--token', file);
  }
  let written = '';
  const write = (text: string): void => {
    written += text;
  };
  const logger = pino({ level: 'silent' });
  const code = await doctor.run(args, { environment, write, writeError: write, logger });
  return { code, written, findings: (JSON.parse(written) as { findings: Finding[] }).findings };
};

/** The same of a token, of which no part may be shown. */
export const examineToken = async (environment: Environment, token: string): Promise<Examined> => {
  const examined = await examine(environment, token);
  for (const part of token.split('.').filter((piece) => piece.length > 20))
    expect(examined.written).not.toContain(part);
  return examined;
};

/** The messages with this status, of one check or of all. */
export const messages = ({ findings }: Examined, status: Finding['status'], check?: string): string[] =>
  findings
    .filter((finding) => finding.status === status && (check === undefined || finding.check === check))
    .map(({ message }) => message);

/** What is advised about the finding whose message has this in it. */
export const adviceOn = ({ findings }: Examined, part: string): string =>
  findings.find(({ message }) => message.includes(part))?.advice ?? '';
