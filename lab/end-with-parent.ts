/** Loaded into the lab's broker: if the lab is killed, the broker ends in good order instead of being orphaned. */
import { isMainThread } from 'node:worker_threads';

const end = (): void => {
  process.kill(process.pid, 'SIGTERM');
};

// Worker threads inherit what is loaded at the start, but not the channel to the lab.
if (isMainThread) {
  process.once('disconnect', end);
  if (!process.connected) end();
  // The channel tells of the lab's end; it is no reason for the broker to go on.
  process.channel?.unref();
}
