import { loadOperationsAddress } from '../config.ts';
import { type Command, parseArguments } from './command.ts';

/** A broker that takes longer than this to say how it is, is not well. */
const PROBE_TIMEOUT_MS = 3_000;

/** A listener on every address is asked on the loopback. */
const reachable = (host: string): string => {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
};

export const probe: Command = {
  name: 'probe',
  summary: 'ask the broker on this machine whether it is ready',
  usage:
    'probe\n\nExit code 0 if /readyz of COUNTERSIGN_OPERATIONS_LISTEN says so; for health checks of containers.',
  run: async (args, { environment, write, writeError }) => {
    parseArguments(args, {});
    const { host, port } = loadOperationsAddress(environment);
    try {
      const answer = await fetch(`http://${reachable(host)}:${port}/readyz`, {
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      write(`${await answer.text()}\n`);
      return answer.ok ? 0 : 1;
    } catch {
      writeError('the broker does not answer\n');
      return 1;
    }
  },
};
