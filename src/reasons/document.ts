/** The reasons as a document (`docs/reasons.md`), rendered from the tables that the broker itself refuses by. */
import { REASON_FAMILIES, type ReasonEntry } from './catalogue.ts';

const HEAD = `# Reasons

Whatever is refused has a reason with a code. The trail tells the code, the console says beside it what it means, and
the client sees only what the third column says. Look a refusal up at \`/audit?reason=CODE\`, or all of them at
\`/audit?reason=any\`.

Equal refusals are told once at once, and counted for a minute: the event that follows has \`count\`, how many more
there were \`since\` then. \`network\` is the IPv4 /24 or the IPv6 /64 that a stranger came from. Where one agent or one
network is refused for more different things in a minute than are told apart, the rest is counted by its reason
and API alone, and the event says \`varied\`.

This document is made from the code (\`npx vitest run test/reasons -u\`); the console has it at \`/reasons\`.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

const seen = ({ status, error, description }: ReasonEntry['client']): string => {
  const answer = `${status} ${/^[a-z_]+$/.test(error) ? `\`${error}\`` : error}`;
  return description === undefined ? answer : `${answer}: ${description}`;
};

const row = (entry: ReasonEntry): string =>
  `| <a id="${entry.code}"></a>\`${entry.code}\` | ${[
    `${entry.meaning} *${entry.advice}*`,
    seen(entry.client),
    entry.events.map((name) => `\`${name}\``).join(', '),
  ]
    .map(cell)
    .join(' | ')} |`;

export const reasonsDocument = (): string =>
  [
    HEAD,
    ...REASON_FAMILIES.map(
      ({ title, text, entries }) => `## ${title}

${text}

| code | what happened, *what to do* | the client sees | event |
|---|---|---|---|
${entries.map(row).join('\n')}
`,
    ),
  ].join('\n');
