/** The figures of a run as a person reads them. */
import type { DecisionTimes } from './decisions.ts';
import { AGENTS, RULES } from './estate.ts';
import type { PropagationTimes } from './propagation.ts';
import type { ExchangeFigures, Figures } from './rounds.ts';

export type Report = {
  /** By number of connections, in the order of the run. */
  readonly loads: readonly Figures[];
  readonly decision: DecisionTimes;
  readonly propagation: PropagationTimes;
  /** Microseconds. */
  readonly revocationCheck: number;
};

/** The most that each figure may be; those of the load at the largest number of connections. */
const TARGETS = {
  ratio: 1.8,
  postgresCpu: 0.8,
  memory: 260,
  decisionP99: 1,
  propagationP99: 1_000,
  revocationCheck: 20,
} as const;

const row = (label: string, values: readonly string[]): string =>
  `  ${label.padEnd(44)}${values.map((value) => value.padStart(12)).join('')}`;

const figure = (
  label: string,
  loads: readonly Figures[],
  value: (figures: Figures) => number,
  digits: number,
): string =>
  row(
    label,
    loads.map((figures) => value(figures).toFixed(digits)),
  );

/** What a proof of possession costs besides, where it was measured. */
const proofRows = (loads: readonly Figures[]): string[] => {
  const measured = loads.flatMap(({ proven, exchange }) => (proven === null ? [] : [{ proven, exchange }]));
  if (measured.length === 0) return [];
  const each = (
    label: string,
    value: (proven: ExchangeFigures, plain: ExchangeFigures) => number,
    digits: number,
  ) =>
    row(
      label,
      measured.map(({ proven, exchange }) => value(proven, exchange).toFixed(digits)),
    );
  return [
    each('with DPoP, server CPU, ms', ({ cpu }) => cpu, 3),
    each('with DPoP / floor', ({ ratio }) => ratio, 2),
    each('with DPoP, more of the ratio', ({ ratio }, plain) => ratio - plain.ratio, 2),
    each('with DPoP, PostgreSQL CPU, ms', ({ postgresCpu }) => postgresCpu, 3),
    each('with DPoP, p99, ms', ({ p99 }) => p99, 1),
  ];
};

const verdict = (label: string, value: number, target: number, digits: number): string =>
  row(label, [value.toFixed(digits), `<= ${target}`, value <= target ? 'met' : 'MISSED']);

export const renderReport = ({ loads, decision, propagation, revocationCheck }: Report): string => {
  const last = loads.at(-1);
  const counted = loads.map(({ rounds, perRound }) => `${rounds} x ${perRound}`);
  return [
    `Full durable exchange on PostgreSQL: ${AGENTS} agents, ${RULES} rules, a new request each time.`,
    'Floor: oidc-provider, client_credentials, ES256 JWT, no database. Medians of interleaved rounds.',
    '',
    row(
      'keep-alive connections',
      loads.map(({ connections }) => String(connections)),
    ),
    row('requests of each kind', counted),
    figure('floor, server CPU per token, ms', loads, ({ baseline }) => baseline.cpu, 3),
    figure('exchange, server CPU, ms', loads, ({ exchange }) => exchange.cpu, 3),
    figure('exchange / floor', loads, ({ exchange }) => exchange.ratio, 2),
    figure('exchange, PostgreSQL CPU, ms', loads, ({ exchange }) => exchange.postgresCpu, 3),
    figure('exchanges per second', loads, ({ exchange }) => exchange.perSecond, 0),
    figure('floor, tokens per second', loads, ({ baseline }) => baseline.perSecond, 0),
    figure('exchange, p50, ms', loads, ({ exchange }) => exchange.p50, 1),
    figure('exchange, p99, ms', loads, ({ exchange }) => exchange.p99, 1),
    figure('broker memory under load, MiB', loads, ({ exchange }) => exchange.memory, 0),
    ...proofRows(loads),
    row('policy decision alone, p50 / p99, ms', [decision.p50.toFixed(3), decision.p99.toFixed(3)]),
    row(`${propagation.count} revokes, until an API refuses, p50 / p99, ms`, [
      propagation.p50.toFixed(0),
      propagation.p99.toFixed(0),
    ]),
    row('revocation check of a call, µs', [revocationCheck.toFixed(2)]),
    '',
    ...(last === undefined
      ? []
      : [
          `Targets, at ${last.connections} connections:`,
          verdict('exchange / floor', last.exchange.ratio, TARGETS.ratio, 2),
          verdict('PostgreSQL CPU, ms', last.exchange.postgresCpu, TARGETS.postgresCpu, 3),
          verdict('broker memory, MiB', last.exchange.memory, TARGETS.memory, 0),
          verdict('policy decision p99, ms', decision.p99, TARGETS.decisionP99, 3),
          verdict('revoke until refusal p99, ms', propagation.p99, TARGETS.propagationP99, 0),
          verdict('revocation check, µs', revocationCheck, TARGETS.revocationCheck, 2),
          '',
        ]),
  ].join('\n');
};
