import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { openRequests } from '../../src/access/open-request.ts';
import { apply } from '../../src/commands/apply.ts';
import { UsageError } from '../../src/commands/command.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { AGENT, AUDIENCE, decisionWith, opening, openRequest } from '../support/access.ts';
import { openTestDatabase } from './database.ts';
import { agent, document, guid, resource, TENANT } from './entries.ts';

const REASON = ['--reason', 'Register the agents'];

let test: Awaited<ReturnType<typeof openTestDatabase>>;
let directory: string;
beforeEach(async () => {
  test = await openTestDatabase();
  directory = await mkdtemp(join(tmpdir(), 'apply-'));
});
afterEach(async () => {
  await test.end();
  await rm(directory, { recursive: true });
});

const fileOf = async (content: RegistryDocument | string): Promise<string> => {
  const path = join(directory, 'registry.yaml');
  await writeFile(path, typeof content === 'string' ? content : stringify(content));
  return path;
};

const run = async (...args: string[]) => {
  let output = '';
  let errors = '';
  const code = await apply.run(args, {
    environment: { COUNTERSIGN_DATABASE: test.applicationDsn },
    write: (text) => {
      output += text;
    },
    writeError: (text) => {
      errors += text;
    },
    logger: pino({ level: 'silent' }),
  });
  return { code, output, errors };
};

describe('countersign apply', () => {
  it('applies files and says what changed', async () => {
    const file = await fileOf(document());
    expect((await run(file, ...REASON)).output).toContain('revision 1 is in force (4 changed, 0 unchanged)');
    const next = document({
      agents: [
        agent('reader', 1, {
          name: 'Reader',
          access: [{ audience: 'api://knowledge.prod', scopes: ['articles.read', 'articles.write'] }],
        }),
      ],
      resources: [
        resource('api://knowledge.dev', { environment: 'dev', scopes: { 'articles.read': 'Read' } }),
        resource('api://knowledge.prod'),
      ],
    });
    expect(await run(await fileOf(next), ...REASON)).toEqual({
      code: 0,
      errors: '',
      output: `~ agent reader: changed
    access:
      - {"audience":"api://knowledge.prod","scopes":["articles.read"]}
      + {"audience":"api://knowledge.prod","scopes":["articles.read","articles.write"]}
    name: "The agent reader" -> "Reader"
- agent writer: disabled, the files no longer name it
~ resource api://knowledge.dev: changed
    scopes:
      - "articles.read": "Read articles"
      - "articles.write": "Change articles"
      + "articles.read": "Read"
revision 2 is in force (3 changed, 1 unchanged)
`,
    });
  });

  it('says when there is nothing to change', async () => {
    const file = await fileOf(document());
    await run(file, ...REASON);
    expect((await run(file, ...REASON)).output).toBe(
      'nothing to change: revision 1 is in force (0 changed, 4 unchanged)\n',
    );
  });

  it('records why, and who as claimed', async () => {
    const who = `${TENANT}/${guid(7)}`;
    await run(await fileOf(document()), ...REASON, '--as', who.toUpperCase());
    expect((await test.events('registry.changed'))[0]).toMatchObject({
      reason: 'Register the agents',
      applied_by: `claimed:${who}`,
    });
  });

  it('shows a dry run without a reason and changes nothing', async () => {
    const before = await test.everything();
    const { code, output } = await run(await fileOf(document()), '--dry-run');
    expect(code).toBe(0);
    expect(output).toContain('+ agent reader: added');
    expect(output).toContain('dry run: revision 0 stays in force (4 changed, 0 unchanged if applied)');
    expect(await test.everything()).toBe(before);
  });

  it('warns in a dry run of what agents at work would lose, and of nothing else', async () => {
    const access = [{ audience: AUDIENCE, scopes: ['payroll.export', 'reports.read'] }];
    const reports = resource(AUDIENCE, {
      scopes: { 'payroll.export': 'Export', 'reports.read': 'Read' },
      default_scopes: [],
    });
    const current = document({ agents: [agent(AGENT, 1, { access })], resources: [reports] });
    await run(await fileOf(current), ...REASON);
    const { db } = test.database;
    await sql`insert into policy_revisions (revision, bundle) values ('bundle-1', '')`.execute(db);
    await sql`update in_force set policy_revision = 'bundle-1'`.execute(db);
    await openRequest(test.database, decisionWith({}), ['payroll.export']);
    await openRequest(test.database, decisionWith({}), ['reports.read']);
    await openRequests(test.database, [opening({ scopes: ['reports.read'] })]);
    const dryRun = async (next: RegistryDocument) => {
      const { output } = await run(await fileOf(next), '--dry-run');
      return output.split('\n').filter((line) => line.startsWith('warning'));
    };
    expect(await dryRun(current)).toEqual([]);
    const narrowed = agent(AGENT, 1, { access: [{ audience: AUDIENCE, scopes: ['reports.read'] }] });
    expect(await dryRun({ ...current, agents: [narrowed] })).toEqual([
      `warning: ${AGENT} would get no further token for ${AUDIENCE}: 1 waiting request would come to nothing`,
    ]);
    expect(await dryRun(document({ agents: [], resources: [reports] }))).toEqual([
      `warning: the agent ${AGENT} would be disabled: it gets no token for anything`,
      `warning: ${AGENT} would get no further token for ${AUDIENCE}: 2 waiting requests and 1 open grant would come to nothing`,
      'warning: tokens that are out go on until they expire, within minutes; "countersign block set" ends them at once',
    ]);
  });

  it('prints JSON for machines', async () => {
    const { output } = await run(await fileOf(document()), ...REASON, '--json');
    expect(JSON.parse(output)).toMatchObject({
      revision: 1,
      applied: true,
      dry_run: false,
      unchanged: 0,
      changes: [{ entry: 'agent', id: 'reader', change: 'added', missing: false }, {}, {}, {}],
    });
  });

  it('fails with every problem of the files and changes nothing', async () => {
    const before = await test.everything();
    const file = await fileOf('version: 1\nagents: [{}]\nresources: [{}]');
    const { code, output, errors } = await run(file, ...REASON);
    expect([code, output]).toEqual([1, '']);
    expect(errors).toContain(`${file}:2 agents[0].id: is missing`);
    expect(errors).toContain(`${file}:3 resources[0].audience: is missing`);
    expect(JSON.parse((await run(file, ...REASON, '--json')).output).problems.length).toBeGreaterThan(2);
    expect(await test.everything()).toBe(before);
  });

  it('fails when the files contradict what stays registered', async () => {
    await run(await fileOf(document()), ...REASON);
    const renamed = document({ agents: [agent('reader', 1), agent('author', 2)] });
    const { code, errors } = await run(await fileOf(renamed), '--dry-run');
    expect(code).toBe(1);
    expect(errors).toContain('author has the workload of writer');
  });

  it.each([
    ['no file', REASON],
    ['no reason', ['registry.yaml']],
    ['an empty reason', ['registry.yaml', '--reason', ' ']],
    ['a reason of several lines', ['registry.yaml', '--reason', 'a\nb']],
    ['a name instead of a principal', ['registry.yaml', ...REASON, '--as', 'somebody']],
    ['an option that there is not', ['registry.yaml', ...REASON, '--force']],
  ])('refuses %s as wrong usage', async (_, args) => {
    await expect(run(...args)).rejects.toThrow(UsageError);
  });
});
