/**
 * `npm run bench`: what a full durable exchange costs, against oidc-provider's own client_credentials without a
 * database, in one run. Load, servers and PostgreSQL share this machine: CPU per request and ratios mean something
 * then, throughput and latency are no capacity.
 */
import { parseArgs } from 'node:util';
import { measureDecisions } from './decisions.ts';
import { openProofKeys } from './proofs.ts';
import { measurePropagation } from './propagation.ts';
import { renderReport } from './report.ts';
import { measureRevocationCheck } from './revocation-check.ts';
import { type Figures, measureRounds, openExchanges, warmUp } from './rounds.ts';
import { startBaseline } from './servers.ts';
import { openSurroundings } from './surroundings.ts';

const HELP = `Usage: npm run bench -- [options]

  --count N          requests of each kind at each number of connections (12000)
  --connections LIST keep-alive connections, comma-separated (8,32)
  --rounds N         interleaved rounds that share the count (3)
  --revokes N        how many tokens are taken back, for the time until APIs refuse them (300)
  --dpop             also measure exchanges with a proof of possession each
  --json             print the figures as JSON
`;

/** Both servers go on getting faster for so many requests, the floor more than the exchange. */
const WARM_UP = 8_000;

const positive = (name: string, text: string): number => {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`--${name} must be a positive number`);
  return Number(text);
};

const readOptions = () => {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '12000' },
      connections: { type: 'string', default: '8,32' },
      rounds: { type: 'string', default: '3' },
      revokes: { type: 'string', default: '300' },
      dpop: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = positive('rounds', values.rounds);
  return {
    connections: values.connections.split(',').map((text) => positive('connections', text)),
    rounds,
    perRound: Math.ceil(positive('count', values.count) / rounds),
    revokes: positive('revokes', values.revokes),
    dpop: values.dpop,
    json: values.json,
    help: values.help,
  };
};

const tell = (text: string): void => void process.stderr.write(`${text}\n`);

const run = async ({
  connections,
  rounds,
  perRound,
  revokes,
  dpop,
  json,
}: ReturnType<typeof readOptions>): Promise<void> => {
  await using parts = new AsyncDisposableStack();
  tell('starting PostgreSQL, the stand-in for Entra and the broker');
  const surroundings = await openSurroundings(parts);
  const baseline = await startBaseline();
  parts.defer(baseline.stop);
  tell('asking policy alone');
  const decision = await measureDecisions(surroundings.bundle, surroundings.tenant);

  const subjects = {
    baseline,
    surroundings,
    exchanges: openExchanges(surroundings),
    prove: dpop ? openProofKeys(surroundings.broker.tokenUrl) : null,
  };
  tell('warming up');
  await warmUp(subjects, Math.min(WARM_UP, perRound * rounds), Math.max(...connections));
  const loads: Figures[] = [];
  for (const each of connections) {
    tell(`measuring at ${each} connections`);
    loads.push(await measureRounds(subjects, { connections: each, rounds, perRound }));
  }
  const minted = await surroundings.countMinted();
  if (minted !== subjects.exchanges.sent())
    throw new Error(
      `${subjects.exchanges.sent()} exchanges minted ${minted} credentials: not the whole path`,
    );
  await surroundings.broker.stop();
  tell('revoking');
  const propagation = await measurePropagation(surroundings, revokes);
  const report = { loads, decision, propagation, revocationCheck: measureRevocationCheck() };
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : `\n${renderReport(report)}`);
};

try {
  const options = readOptions();
  if (options.help) process.stdout.write(HELP);
  else await run(options);
} catch (error) {
  tell(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
