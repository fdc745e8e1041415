/** Policy files (YAML) as their administrator wrote them: every problem at once, each with its line and path. */
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';

/** A file of rules or cases as read: its name as it was given, and its text. */
export type PolicySource = { readonly name: string; readonly text: string };

/** The file cannot be used: every problem, one line each, `file:line path: what is wrong`. */
export class PolicySourceInvalid extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'PolicySourceInvalid';
    this.problems = problems;
  }
}

const pathText = (path: readonly PropertyKey[]): string =>
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
  if (issue.code === 'invalid_union' && issue.input === undefined) return 'is missing';
  return issue.message;
};

/** Parses YAML 1.2 (no aliases, no repeated keys) by a schema. Throws `PolicySourceInvalid`. */
export const parsePolicySource = <Schema extends z.ZodType>(
  { name, text }: PolicySource,
  schema: Schema,
): z.infer<Schema> => {
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, version: '1.2', prettyErrors: false });
  const broken = [...yaml.errors, ...yaml.warnings];
  if (broken.length > 0) {
    throw new PolicySourceInvalid(
      broken.map(({ message, pos }) => `${name}:${lines.linePos(pos[0]).line} ${message}`),
    );
  }
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const node = yaml.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
    }
    return 1;
  };
  let content: unknown;
  try {
    content = yaml.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw new PolicySourceInvalid([`${name}:1 ${error instanceof Error ? error.message : 'cannot be read'}`]);
  }
  const { data, error } = schema.safeParse(content, { reportInput: true });
  if (error) {
    throw new PolicySourceInvalid(
      error.issues.map(
        (issue) => `${name}:${lineOf(issue.path)} ${pathText(issue.path)}: ${issueText(issue)}`,
      ),
    );
  }
  return data;
};
