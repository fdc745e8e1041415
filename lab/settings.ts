/** How a lab is told where to live: its directory, its ports, and whose broker it plays with. */
import { resolve } from 'node:path';
import type { ApiName } from './apis/api.ts';

export type LabSettings = {
  /** Absolute; holds everything the lab keeps. */
  readonly directory: string;
  readonly portBase: number;
  /** A broker that somebody else runs on the files that the lab writes; null: the lab starts its own. */
  readonly brokerUrl: string | null;
};

/** Settings that no lab can start with; the message says what to do. */
export class SettingsInvalid extends Error {
  override name = 'SettingsInvalid';
}

const DEFAULT_DIRECTORY = '.lab';
const DEFAULT_PORT_BASE = 8400;
const LAST_PORT_BASE = 65_500;

/** Reads `LAB_DIR`, `LAB_PORT_BASE` and `LAB_BROKER_URL`. @throws SettingsInvalid */
export const parseSettings = (environment: NodeJS.ProcessEnv): LabSettings => {
  const { LAB_DIR, LAB_PORT_BASE, LAB_BROKER_URL } = environment;
  const portBase = Number(LAB_PORT_BASE || DEFAULT_PORT_BASE);
  if (!Number.isInteger(portBase) || portBase < 1024 || portBase > LAST_PORT_BASE) {
    throw new SettingsInvalid(`LAB_PORT_BASE must be a number from 1024 to ${LAST_PORT_BASE}`);
  }
  if (LAB_BROKER_URL && !/^https?:\/\/[^/]+$/.test(LAB_BROKER_URL)) {
    throw new SettingsInvalid(
      'LAB_BROKER_URL must be the address of a broker, without a path or a slash at its end',
    );
  }
  return { directory: resolve(LAB_DIR || DEFAULT_DIRECTORY), portBase, brokerUrl: LAB_BROKER_URL || null };
};

/** Every port of a lab. */
export type Ports = {
  readonly broker: number;
  readonly operations: number;
  readonly entra: number;
  readonly demo: number;
  readonly apis: Readonly<Record<ApiName, number>>;
  /** By agent id. */
  readonly agents: ReadonlyMap<string, number>;
};

export const portsFrom = (base: number): Ports => ({
  broker: base,
  operations: base + 1,
  entra: base + 10,
  demo: base + 20,
  apis: { knowledge: base + 21, reports: base + 22, operations: base + 23 },
  agents: new Map([
    ['support-agent', base + 31],
    ['reporting-agent', base + 32],
    ['ops-agent', base + 33],
  ]),
});
