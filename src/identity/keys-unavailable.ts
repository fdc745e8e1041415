/**
 * Thrown when an issuer's keys cannot be had: whether the assertion is good is then simply not known. An outage,
 * answered with 503, never with a verdict.
 */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
  /** When asking again may help, seconds. */
  readonly retryAfterSeconds: number;

  constructor(issuer: string, retryAfterSeconds: number) {
    super(`the keys of ${issuer} are unavailable`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
