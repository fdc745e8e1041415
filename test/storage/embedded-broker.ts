/** A process that does with an embedded database what a broker does: start it, say so, stop it on a signal. */
import { pino } from 'pino';
import { startEmbedded } from '../../src/storage/embedded.ts';

const [, , directory = ''] = process.argv;
try {
  const embedded = await startEmbedded(directory, pino({ level: 'warn' }, pino.destination(2)));
  const stop = () => embedded.stop().then(() => process.exit(0));
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.stdout.write(`${JSON.stringify({ dsn: embedded.applicationDsn, pid: embedded.pid() })}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
