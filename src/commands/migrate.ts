import { loadStorageSettings } from '../config.ts';
import { reachStorage } from '../storage/open-storage.ts';
import { type Command, parseArguments } from './command.ts';

export const migrate: Command = {
  name: 'migrate',
  summary: 'bring the database to this version',
  usage:
    'migrate\n\nMigrates the database by COUNTERSIGN_DATABASE_OWNER and gives the role of COUNTERSIGN_DATABASE its privileges.\nSafe to run again, and beside running brokers.',
  run: async (args, { environment, write, logger }) => {
    parseArguments(args, {});
    const storage = await reachStorage(loadStorageSettings(environment), logger);
    await storage.stop();
    for (const weakness of storage.weaknesses) write(`note: ${weakness}\n`);
    write('the database is at this version\n');
    return 0;
  },
};
