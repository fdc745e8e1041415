/** Whether another clock and ours say the same: assertions are dated by Entra's, tokens by the database's. Pure. */
import { CLOCKS_APART_MAX_SECONDS } from '../clock.ts';
import type { Finding } from './finding.ts';

/** From here on it is worth a word; assertions still pass. */
const WARN_SECONDS = 5;

/** Compares `theirs` with `ours`, read at one moment; `whose` begins the sentence. */
export const checkClock = (whose: string, theirs: Date, ours: Date): Finding => {
  const seconds = Math.round((theirs.getTime() - ours.getTime()) / 1000);
  const apart = Math.abs(seconds);
  if (apart <= WARN_SECONDS)
    return { check: 'clock', status: 'ok', message: `${whose} and this machine's clock agree` };
  return {
    check: 'clock',
    status: apart > CLOCKS_APART_MAX_SECONDS ? 'problem' : 'warning',
    message: `${whose} is ${apart} s ${seconds > 0 ? 'ahead of' : 'behind'} this machine's clock`,
    advice:
      'Synchronise the clock of this machine (NTP). Beyond 30 s good assertions are refused as exp or time, and nothing is issued.',
  };
};
