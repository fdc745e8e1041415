import { startBroker } from '../broker.ts';
import { loadConfig } from '../config.ts';
import { type Command, parseArguments } from './command.ts';

/** Resolves with the signal that asks the process to end. A second one ends it at once. */
const asked = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });

export const serve: Command = {
  name: 'serve',
  summary: 'run the broker',
  usage:
    'serve\n\nRuns the broker until SIGINT or SIGTERM, configured by the environment (README, Configuration).',
  run: async (args, { environment, logger }) => {
    parseArguments(args, {});
    const config = loadConfig(environment);
    const ending = asked();
    const broker = await startBroker(config, logger);
    logger.info({ issuer: broker.issuer }, 'ready');
    logger.info({ signal: await ending }, 'stopping');
    await broker.stop();
    return 0;
  },
};
