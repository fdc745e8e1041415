/** A difference as people read it on a terminal. Values are JSON, so nothing in them can pass for something else. */
import type { JsonValue } from '../audit/event.ts';
import type { FieldChange, RegistryChange } from './registry-diff.ts';

const MARKS = { added: '+', changed: '~', disabled: '-' } as const;

/** A value as lines that can be compared: one per element or member; null for what fits one line. */
const linesOf = (value: JsonValue): string[] | null => {
  if (value === null) return [];
  if (Array.isArray(value)) return value.map((item) => JSON.stringify(item));
  if (typeof value !== 'object') return null;
  return Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${JSON.stringify(member)}`);
};

const fieldText = ({ field, from, to }: FieldChange): string[] => {
  const [before, after] = [linesOf(from), linesOf(to)];
  if (before === null || after === null)
    return [`    ${field}: ${from === null ? '' : `${JSON.stringify(from)} -> `}${JSON.stringify(to)}`];
  return [
    `    ${field}:`,
    ...before.filter((line) => !after.includes(line)).map((line) => `      - ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `      + ${line}`),
  ];
};

const changeText = ({ entry, id, change, missing, fields }: RegistryChange): string[] => [
  `${MARKS[change]} ${entry} ${id}: ${change}${missing ? ', the files no longer name it' : ''}`,
  ...(missing && change === 'disabled' ? [] : fields.flatMap(fieldText)),
];

/** The changes, each with its fields; empty text: nothing differs. */
export const registryDiffText = (changes: readonly RegistryChange[]): string =>
  changes
    .flatMap(changeText)
    .map((line) => `${line}\n`)
    .join('');
