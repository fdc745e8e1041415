/** What the doctor says: one sentence for each thing looked at, and for what is wrong what to do. */
import { escaped } from '../escaped.ts';

/** `note`: worth knowing, nothing to do. `warning`: works, but not for long or not for all. `problem`: does not work. */
export type Status = 'ok' | 'note' | 'warning' | 'problem';

export type Finding = {
  /** What was looked at, such as `configuration` or `token`. */
  readonly check: string;
  readonly status: Status;
  readonly message: string;
  /** What to change, and where. */
  readonly advice?: string;
};

export type Findings = readonly Finding[];

const VALUE_MAX_LENGTH = 120;

/** A value that somebody else chose, fit for a terminal: bounded, ASCII, without control characters. */
export const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  const bounded = text.length > VALUE_MAX_LENGTH ? `${text.slice(0, VALUE_MAX_LENGTH)}...` : text;
  return bounded.replace(/[^\x20-\x7e]/g, escaped);
};

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127\./.test(host);

/** What to do where nothing answers on this very machine, as at a lab that is stopped; null: that is not what is wrong. */
export const startAdvice = (url: string, error: unknown): string | null => {
  const refused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  const { hostname, host } = new URL(url);
  return refused && isLoopback(hostname)
    ? `Nothing runs at ${host} on this machine. If it is the lab, start it with "npm start" and leave it running, then ask again.`
    : null;
};

const REACHING: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name cannot be resolved',
  EAI_AGAIN: 'its name cannot be resolved now',
  ECONNREFUSED: 'nothing answers there',
  ECONNRESET: 'the connection was cut',
  ABORT_ERR: 'it does not answer in time',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is of no authority that is trusted here',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is of no authority that is trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is of no authority that is trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is of no authority that is trusted here',
};

/** Why something could not be had, in words; never what the other side sent. */
export const failureWords = (error: unknown): string => {
  if (!(error instanceof Error)) return shown(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return (
    REACHING[code] ?? (error.name === 'TimeoutError' ? REACHING.ABORT_ERR : undefined) ?? shown(error.message)
  );
};
