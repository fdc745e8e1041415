/**
 * The lab: a broker with everything around it that it would meet, on one machine and on loopback only. Starts in the
 * order of need, stops in the other, and leaves no process behind: whatever ends it, the broker ends with it.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeBrokerFiles, writePrivate } from './broker-files.ts';
import { brokerReady, externalBrokerReady, startBroker } from './broker-process.ts';
import { DirectoryTaken, lockDirectory } from './directory-lock.ts';
import { startEntra } from './entra/start-entra.ts';
import { takenPorts } from './free-ports.ts';
import { startParties } from './parties.ts';
import { type LabSettings, parseSettings, portsFrom, SettingsInvalid } from './settings.ts';
import { trustAuthority } from './workload.ts';
import { openWorld } from './world.ts';
import { type WorldFile, worldFile } from './world-file.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Reasons not to start that need no stack trace. */
class CannotStart extends Error {
  override name = 'CannotStart';
}

/** What is to be closed at the end, the last opened first. */
type Closing = (close: () => Promise<void>) => void;

const checkPorts = async (settings: LabSettings): Promise<void> => {
  const taken = await takenPorts(portsFrom(settings.portBase), settings);
  if (taken.length > 0) {
    throw new CannotStart(
      `port ${taken.join(', ')} is taken: is a lab running already? Stop it, or set LAB_PORT_BASE to another number`,
    );
  }
};

/** Starts everything; `died` is told when the broker ends before it is asked to. */
const start = async (
  settings: LabSettings,
  closing: Closing,
  died: (error: Error) => void,
): Promise<WorldFile> => {
  const { directory, portBase, brokerUrl } = settings;
  const ports = portsFrom(portBase);
  await mkdir(directory, { recursive: true });
  closing(await lockDirectory(directory));
  await checkPorts(settings);

  const world = await openWorld(directory);
  const entra = await startEntra({ world, directory, port: ports.entra });
  closing(entra.stop);
  trustAuthority(await readFile(entra.caFile, 'utf8'));

  const files = await writeBrokerFiles(settings, { world, entra, ports });
  entra.addRedirectUri(`${files.issuer}/sign-in/callback`);
  if (brokerUrl === null) {
    const broker = await startBroker(files.environment, directory);
    closing(broker.stop);
    void broker.died.then(died);
    await brokerReady(broker, `http://127.0.0.1:${ports.operations}`);
  } else {
    await externalBrokerReady(brokerUrl);
  }

  const file = worldFile(files, { world, entra, ports });
  closing(await startParties({ world, entra, ports, file, say }));
  await writePrivate(join(directory, 'world.json'), `${JSON.stringify(file, null, 2)}\n`);
  return file;
};

const tell = (file: WorldFile): void => {
  say('This is a lab: every account and secret here is made up for this machine.');
  say('');
  const tellAddress = (name: string, address: string): void => say(`  ${name.padEnd(26)} ${address}`);
  tellAddress('demo page', `${file.demo_url}   <- start here`);
  tellAddress('console', file.issuer);
  tellAddress('token endpoint', file.token_endpoint);
  tellAddress('Entra', `${file.entra.authority}/${file.entra.tenant}`);
  for (const { id, url } of file.agents) tellAddress(id, url);
  for (const { audience, url } of file.apis) tellAddress(audience, url);
  say('');
  for (const { username, password, roles } of file.people) {
    say(`  ${username.padEnd(28)} ${password}  ${roles.join(', ')}`);
  }
  say('');
  say('ready');
};

const main = async (): Promise<void> => {
  const closers: (() => Promise<void>)[] = [];
  let ended = false;
  const closing: Closing = (close) => {
    closers.push(close);
  };
  const ending = new Promise<Error | null>((resolve) => {
    // Ctrl-C comes twice under npm, from the terminal and passed on: once is enough to begin, and no more is needed.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(null));
    start(parseSettings(process.env), closing, resolve).then((file) => {
      if (!ended) tell(file);
    }, resolve);
  });
  const cause = await ending;
  ended = true;
  if (cause instanceof CannotStart || cause instanceof DirectoryTaken) {
    process.stderr.write(`cannot start: ${cause.message}\n`);
  } else if (cause !== null) {
    process.stderr.write(`${cause.message}\n`);
  } else {
    say('stopping');
  }
  // What a start under way still opens is closed too: it is among the closers by the time its turn comes.
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  process.exit(cause === null ? 0 : 1);
};

try {
  await main();
} catch (error) {
  if (!(error instanceof SettingsInvalid)) throw error;
  process.stderr.write(`cannot start: ${error.message}\n`);
  process.exit(1);
}
