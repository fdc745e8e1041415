/**
 * Thrown when an issuer's keys cannot be had: whether the assertion is good is then simply not known. An outage,
 * answered with 503, never with a verdict.
 */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
  /** When asking again may help, seconds. */
  readonly retryAfterSeconds: number;
  /** The issuer's other keys are known, and go on being used: the one asked for may be new, or invented. */
  readonly othersKnown: boolean;

  constructor(issuer: string, retryAfterSeconds: number, othersKnown = false) {
    super(`the keys of ${issuer} are unavailable`);
    this.retryAfterSeconds = retryAfterSeconds;
    this.othersKnown = othersKnown;
  }
}
