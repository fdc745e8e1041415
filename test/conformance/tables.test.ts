/** The tables that say which test answers what: each test that they name is there, and no line is without an answer. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The second is read where it exists. */
const TABLES = ['test/conformance/README.md', 'test/attacks/README.md'].filter((file) => existsSync(file));

const REASON = /^(?:Does not apply|Not followed|Not served in this version): \S/;
const LINK = /\[[^\]]+\]\(([^)\s]+\.test\.tsx?)\)/g;
/** A title in quotes; it may have quotes within it. */
const TITLE = /"(.+?)"(?=, "|[;,.)]|$)/g;

type Row = { readonly line: string; readonly answer: string };

/** The last cell of each line of each table. */
const rowsOf = (table: string): Row[] =>
  readFileSync(table, 'utf8')
    .split('\n')
    .filter((line, index, lines) => line.startsWith('|') && !/^\|[-| ]+$/.test(lines[index + 1] ?? ''))
    .filter((line) => !/^\|[-| ]+$/.test(line))
    .map((line) => ({ line, answer: (line.split(/(?<!\\)\|/).at(-2) ?? '').trim() }));

/** Each file that an answer names, with the titles behind it. */
const testsOf = ({ answer }: Row): { path: string; titles: string[] }[] => {
  const links = [...answer.matchAll(LINK)];
  return links.map((link, index) => {
    const end = links[index + 1]?.index ?? answer.length;
    const behind = answer.slice(link.index + link[0].length, end).trim();
    return {
      path: link[1] ?? '',
      titles: [...behind.matchAll(TITLE)].map(([, title = '']) => title.replaceAll('\\|', '|')),
    };
  });
};

const problemsOf = (table: string, row: Row): string[] => {
  const tests = testsOf(row);
  if (tests.length === 0 && !REASON.test(row.answer)) return ['names no test and gives no reason'];
  return tests.flatMap(({ path, titles }) => {
    const file = join(dirname(table), path);
    if (!existsSync(file)) return [`${file} is not there`];
    if (titles.length === 0) return [`names no test of ${file}`];
    const source = readFileSync(file, 'utf8');
    return titles
      .filter((title) => !['"', "'", '`'].some((quote) => source.includes(`${quote}${title}${quote}`)))
      .map((title) => `${file} has no "${title}"`);
  });
};

describe.each(TABLES)('%s', (table) => {
  it('answers every line with tests that exist, or with a reason', () => {
    const rows = rowsOf(table);
    expect(rows.length).toBeGreaterThan(20);
    const problems = rows.flatMap((row) =>
      problemsOf(table, row).map((problem) => `${row.line.slice(0, 90)}: ${problem}`),
    );
    expect(problems).toEqual([]);
  });
});

it('finds what is wrong with a line', () => {
  const problems = (answer: string) =>
    problemsOf('test/conformance/README.md', { line: `| 1 | x | ${answer} |`, answer });
  const here = '[test/conformance/tables.test.ts](tables.test.ts)';
  expect(problems(`${here} "finds what is wrong with a line"`)).toEqual([]);
  expect(problems('Does not apply: there is none')).toEqual([]);
  for (const answer of [
    '',
    'tested',
    'Does not apply',
    here,
    `${here} "no such ${'title'}"`,
    `${here} "finds what is wrong with a line", "no such ${'title'}"`,
    `${here} "finds what is wrong with a line"; [x](../nowhere.test.ts) "x"`,
  ])
    expect(problems(answer)).toHaveLength(1);
});
