/**
 * Registry files (YAML) to one document. An administrator sees every problem at once, each with its file, line and
 * path: a registry is applied whole or not at all.
 */
import { readFile } from 'node:fs/promises';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type * as z from 'zod';
import { checkReferences, type Entries, type Located } from './references.ts';
import {
  agentEntry,
  inOneOrder,
  personEntry,
  type RegistryDocument,
  registryDocument,
  resourceEntry,
} from './registry-schema.ts';

/** A file as read: its name as the administrator gave it, and its text. */
export type RegistryFile = { readonly name: string; readonly text: string };

/** The files are not a registry: every problem, one line each, `file:line path: what to do`. */
export class RegistryInvalid extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The registry has ${problems.length} problem(s):\n${problems.join('\n')}`);
    this.name = 'RegistryInvalid';
    this.problems = problems;
  }
}

type ListName = 'agents' | 'resources' | 'people';

type Path = readonly PropertyKey[];

/** What one file gave: its entries that are well-formed, and a way to say where something is wrong. */
type ParsedFile = { readonly entries: Entries; readonly problems: readonly string[] };

const pathText = (path: Path): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : `${text}${text === '' ? '' : '.'}${String(part)}`,
    '',
  );

const issueText = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'unrecognized_keys')
    return `has no field ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}: correct its name or remove it`;
  if (issue.code === 'invalid_type' && issue.input === undefined)
    return `is missing: it must be a ${issue.expected}`;
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => inner.message).join('; ');
  return issue.message;
};

const parseFile = ({ name, text }: RegistryFile): ParsedFile => {
  const none = { agents: [], resources: [], people: [], unreadAudiences: [] };
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, version: '1.2', prettyErrors: false });
  const broken = [...yaml.errors, ...yaml.warnings];
  if (broken.length > 0)
    return {
      entries: none,
      problems: broken.map(({ message, pos }) => `${name}:${lines.linePos(pos[0]).line} ${message}`),
    };
  let content: unknown;
  try {
    content = yaml.toJS();
  } catch (error) {
    return {
      entries: none,
      problems: [`${name}:1 ${error instanceof Error ? error.message : 'cannot be read'}`],
    };
  }

  const locate = (path: Path): string => {
    for (let length = path.length; length >= 0; length--) {
      const node = length === 0 ? yaml.contents : yaml.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range)
        return `${name}:${lines.linePos(node.range[0]).line} ${pathText(path)}`.trimEnd();
    }
    return `${name}:1 ${pathText(path)}`.trimEnd();
  };
  const checked = registryDocument.safeParse(content, { reportInput: true });
  const problems = (checked.error?.issues ?? []).map((issue) => `${locate(issue.path)}: ${issueText(issue)}`);
  const listed = (field: ListName): unknown[] => {
    const list = content !== null && typeof content === 'object' ? Reflect.get(content, field) : undefined;
    return Array.isArray(list) ? list : [];
  };
  const located = <Entry>(field: ListName, schema: z.ZodType<Entry>): Located<Entry>[] =>
    listed(field).flatMap((raw, index) => {
      const { data } = schema.safeParse(raw);
      return data === undefined ? [] : [{ entry: data, at: (path) => locate([field, index, ...path]) }];
    });
  return {
    entries: {
      agents: located('agents', agentEntry),
      resources: located('resources', resourceEntry),
      people: located('people', personEntry),
      unreadAudiences: listed('resources').flatMap((raw) =>
        raw !== null && typeof raw === 'object' && !resourceEntry.safeParse(raw).success
          ? [String(Reflect.get(raw, 'audience'))]
          : [],
      ),
    },
    problems,
  };
};

/**
 * Parses registry files and merges them into one document. Throws `RegistryInvalid` with every problem of every
 * file: syntax, shape, an id given twice, access to what no file describes, a workload that is two things.
 */
export const parseRegistry = (files: readonly RegistryFile[]): RegistryDocument => {
  const parsed = files.map(parseFile);
  const entries: Entries = {
    agents: parsed.flatMap((file) => file.entries.agents),
    resources: parsed.flatMap((file) => file.entries.resources),
    people: parsed.flatMap((file) => file.entries.people),
    unreadAudiences: parsed.flatMap((file) => file.entries.unreadAudiences),
  };
  const problems = [...parsed.flatMap((file) => file.problems), ...checkReferences(entries)];
  if (problems.length === 0 && entries.agents.length + entries.resources.length === 0)
    problems.push(
      'The files name no agent and no resource. To close the registry, keep the entries and set "enabled: false".',
    );
  if (problems.length > 0) throw new RegistryInvalid(problems);
  return inOneOrder({
    version: 1,
    agents: entries.agents.map(({ entry }) => entry),
    resources: entries.resources.map(({ entry }) => entry),
    ...(entries.people.length > 0 && { people: entries.people.map(({ entry }) => entry) }),
  });
};

/** Reads and parses registry files by their paths. Throws `RegistryInvalid`, also for a file that cannot be read. */
export const readRegistry = async (paths: readonly string[]): Promise<RegistryDocument> => {
  const unreadable: string[] = [];
  const files = await Promise.all(
    paths.map(async (name): Promise<RegistryFile> => {
      const text = await readFile(name, 'utf8').catch((error: NodeJS.ErrnoException) => {
        unreadable.push(`${name}: cannot be read (${error.code ?? 'unknown error'}); check the path`);
        return '';
      });
      return { name, text };
    }),
  );
  if (unreadable.length > 0) throw new RegistryInvalid(unreadable);
  return parseRegistry(files);
};
