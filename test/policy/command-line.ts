/** Runs `countersign policy` as the command line does, on files of a folder of the test's own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { policy } from '../../src/commands/policy.ts';

/** A registry file with one agent and one API. */
export const REGISTRY = `
version: 1
agents:
  - id: support-agent
    name: Support agent
    description: Answers questions.
    workload:
      tenant: 00000000-0000-4000-8000-000000000001
      object: 00000000-0000-4000-8000-000000000002
      application: 00000000-0000-4000-8000-000000000003
    owners:
      - tenant: 00000000-0000-4000-8000-000000000001
        object: 00000000-0000-4000-8000-000000000009
    access:
      - audience: api://knowledge.prod
        scopes: [articles.read, articles.write]
resources:
  - audience: api://knowledge.prod
    name: Knowledge
    description: Articles.
    environment: prod
    sensitivity: low
    scopes: { articles.read: Read articles., articles.write: Write articles., articles.delete: Delete articles. }
    default_scopes: [articles.read]
`;

/** A new folder with these files; returns the path of a file in it. */
export const folder = async (
  files: Record<string, string | Uint8Array>,
): Promise<(name: string) => string> => {
  const path = await mkdtemp(join(tmpdir(), 'policy-'));
  onTestFinished(() => rm(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  return (name) => join(path, name);
};

/** Runs it; returns the exit code and everything written. */
export const run = async (args: readonly string[], environment: Record<string, string> = {}) => {
  let written = '';
  const write = (text: string): void => {
    written += text;
  };
  const logger = pino({ level: 'silent' });
  const code = await policy.run(args, { environment, write, writeError: write, logger });
  return { code, written };
};
