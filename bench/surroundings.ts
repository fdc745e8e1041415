/** Everything around the measured broker: PostgreSQL started apart, the stand-in for Entra, the broker's files. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { pino } from 'pino';
import { writeBrokerFiles } from '../lab/broker-files.ts';
import { startEntra } from '../lab/entra/start-entra.ts';
import { packageFile } from '../lab/package-file.ts';
import { portsFrom } from '../lab/settings.ts';
import { openWorld } from '../lab/world.ts';
import { type Database, openDatabase } from '../src/storage/database.ts';
import { startEmbedded } from '../src/storage/embedded.ts';
import { freePort } from '../src/storage/free-port.ts';
import { signAssertions } from './assertions.ts';
import { policyBundle, registryYaml } from './estate.ts';
import { type MeasuredServer, startBroker } from './servers.ts';

export type Surroundings = {
  readonly broker: MeasuredServer;
  /** What the broker runs with, to start more of them. */
  readonly settings: Readonly<Record<string, string>>;
  /** For logs; gone in the end. */
  readonly directory: string;
  /** Connections of the bench's own to the broker's database. */
  readonly database: Database;
  /** Process id of PostgreSQL's main process. */
  readonly postgresPid: number;
  /** By agent, in order. */
  readonly assertions: readonly string[];
  readonly tenant: string;
  readonly bundle: Uint8Array;
  /** How many credentials the broker has minted so far, by the database. */
  readonly countMinted: () => Promise<number>;
};

const countMinted = async (database: Database): Promise<number> => {
  const rows = await database.query<{ minted: number }>(
    {
      name: 'count-minted',
      text: `select count(*) as minted from tokens t join grants g on g.id = t.grant_id`,
    },
    [],
  );
  return rows[0]?.minted ?? 0;
};

/** Starts all of it in a directory of its own, which is gone after `parts` are disposed of. */
export const openSurroundings = async (parts: AsyncDisposableStack): Promise<Surroundings> => {
  const logger = pino({ level: 'error' }, pino.destination(2));
  const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  parts.defer(() => rm(directory, { recursive: true, force: true }));
  const world = await openWorld(directory);
  const entra = await startEntra({ world, directory, port: 0 });
  parts.defer(entra.stop);
  const assertions = await signAssertions(world, entra);
  const postgres = await startEmbedded(join(directory, 'database'), logger);
  parts.defer(postgres.stop);

  const ports = { ...portsFrom(0), broker: await freePort(), operations: await freePort() };
  const { environment } = await writeBrokerFiles(
    { directory, portBase: 0, brokerUrl: null },
    { world, entra, ports },
  );
  const bundle = await policyBundle(await readFile(packageFile('policies/bundle.tar.gz')));
  const registryFile = join(directory, 'bench-registry.yaml');
  const bundleFile = join(directory, 'bench-bundle.tar.gz');
  await writeFile(registryFile, registryYaml(world.tenant));
  await writeFile(bundleFile, bundle);
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(parseEnv(await readFile(environment, 'utf8'))))
    settings[name] = value ?? '';
  Object.assign(settings, {
    COUNTERSIGN_DATABASE: postgres.applicationDsn,
    COUNTERSIGN_DATABASE_OWNER: postgres.ownerDsn,
    COUNTERSIGN_REGISTRY: registryFile,
    COUNTERSIGN_POLICY: bundleFile,
  });
  const broker = await startBroker(settings, join(directory, 'broker.log'));
  parts.defer(broker.stop);
  const database = await openDatabase({ dsn: postgres.applicationDsn, logger });
  parts.defer(database.close);
  return {
    broker,
    settings,
    directory,
    database,
    postgresPid: postgres.pid(),
    assertions,
    tenant: world.tenant,
    bundle,
    countMinted: () => countMinted(database),
  };
};
