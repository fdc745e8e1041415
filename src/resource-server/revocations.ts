/**
 * Follows the broker's feed of revocations, one long poll after the other, so that a token that was taken back is
 * refused within the second although its signature and expiry are good. Nothing of an answer is believed before its
 * signature is: the type keeps a token from being passed as a feed and a feed as a token. What cannot be read
 * or believed changes nothing, and after the staleness budget every call is refused.
 */
import { jwtVerify } from 'jose';
import { type BackgroundGet, backgroundGetBy, createBackgroundGet } from './background-get.ts';
import { createIssuerKeys, EXPECTED_KEY_COOLDOWN_MS } from './issuer-keys.ts';
import { readBounded } from './read-bounded.ts';
import { parseRevocationAnswer } from './revocation-answer.ts';
import { createRevocationView, type TokenFacts } from './revocation-view.ts';

/** Nobody can say whether the token was revoked: answer 503, it may be good. */
export class RevocationsUnavailable extends Error {
  override name = 'RevocationsUnavailable';
}

export type RevocationsOptions = {
  /** The broker, byte for byte as in its metadata (RFC 8414), without a trailing slash. */
  readonly issuer: string;
  /** Where the keys are; `{issuer}/jwks` by default. */
  readonly jwksUri?: string | undefined;
  /** How old the view may be, 3 to 300; 15 by default. What the broker takes back is refused after that at the latest. */
  readonly staleRevocationsSeconds?: number | undefined;
  /** Clock difference to the broker that is forgiven; 5 by default. */
  readonly clockToleranceSeconds?: number | undefined;
  /** How long known keys stay good while the broker cannot be reached; one hour by default. */
  readonly staleKeysSeconds?: number | undefined;
  /** Told when reading begins to fail; text for a log. */
  readonly onProblem?: ((problem: string, cause: unknown) => void) | undefined;
  /** For a broker behind a private authority or a proxy; it may keep the process alive until `close`. */
  readonly fetch?: typeof fetch | undefined;
  /** Milliseconds since the epoch; for tests. */
  readonly now?: (() => number) | undefined;
  /** Milliseconds since any fixed moment; for tests. */
  readonly monotonic?: (() => number) | undefined;
};

/** What is taken back, as this process knows it; one for all verifiers of an issuer is enough. */
export type Revocations = {
  /** Resolves when the feed was read for the first time, or could not be. Never rejects. */
  readonly opened: Promise<void>;
  /** Whether the token was taken back. @throws RevocationsUnavailable when the view is older than its budget */
  readonly isRevoked: (token: TokenFacts) => boolean;
  /** Milliseconds since the epoch at which a signing key was told to be withdrawn last; `-Infinity`: never. */
  readonly keyWithdrawnAt: () => number;
  /** Seconds since all that is known was true, for a gauge or a health check; `Infinity` before the first answer. */
  readonly ageSeconds: () => number;
  /** Ends the following; from then on nothing is known. */
  readonly close: () => void;
};

export const CLOCK_TOLERANCE_SECONDS = 5;
export const STALE_KEYS_SECONDS = 3_600;
/** Room for two polls that hang and the one after them. */
const STALE_REVOCATIONS_SECONDS = 15;
/** Waiting longer saves nothing worth having: an answer with news comes at once. */
const WAIT_MAX_SECONDS = 10;
/** What an answer may take beyond the wait. */
const READ_TIMEOUT_MS = 3_000;
/** Some 50,000 tokens: a block or a withdrawn key is one entry whatever it ends. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** The broker signs its feed with this one, whatever it signs the tokens of an API with. */
const ALGORITHMS = ['ES256'];
/** Between the starts of two polls, where one had news, and where it had none and was not held: the broker is full. */
const NEWS_PACE_MS = 50;
const IDLE_PACE_MS = 1_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 2_000;

const staleSecondsOf = ({ staleRevocationsSeconds = STALE_REVOCATIONS_SECONDS }: RevocationsOptions) => {
  if (staleRevocationsSeconds >= 3 && staleRevocationsSeconds <= 300) return staleRevocationsSeconds;
  throw new Error('staleRevocationsSeconds must be from 3 to 300');
};

/** Between a half and the whole of it, so that APIs that lost the broker together do not come back together. */
const jittered = (ms: number): number => ms * (0.5 + Math.random() / 2);

/** Begins to follow. Neither its connection nor its timers keep the process alive. @throws Error on a bad option */
export const followRevocations = (options: RevocationsOptions): Revocations => {
  const { issuer, clockToleranceSeconds = CLOCK_TOLERANCE_SECONDS } = options;
  const now = options.now ?? Date.now;
  const monotonic = options.monotonic ?? (() => performance.now());
  const staleSeconds = staleSecondsOf(options);
  const waitSeconds = Math.min(WAIT_MAX_SECONDS, Math.floor(staleSeconds / 3));
  const view = createRevocationView({ now, monotonic, clockToleranceSeconds });
  const keys = createIssuerKeys({
    jwksUri: options.jwksUri ?? `${issuer}/jwks`,
    algorithms: ALGORITHMS,
    fetch: options.fetch ?? fetch,
    now,
    staleSeconds: options.staleKeysSeconds ?? STALE_KEYS_SECONDS,
    cooldownMs: () => EXPECTED_KEY_COOLDOWN_MS,
  });
  const get: BackgroundGet =
    options.fetch === undefined ? createBackgroundGet() : backgroundGetBy(options.fetch);
  // Promise.withResolvers is not in Node 20, which APIs may run on.
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let reading = new AbortController();
  let wake = (): void => {};
  let closed = false;

  const fetchAnswer = async (after: string | null): Promise<string> => {
    const place = after === null ? '' : `?after=${encodeURIComponent(after)}`;
    const { status, body } = await get(`${issuer}/revocations${place}`, {
      headers: { accept: 'application/jwt', 'cache-control': 'no-cache', prefer: `wait=${waitSeconds}` },
      signal: reading.signal,
    });
    if (status !== 200) throw new Error(`the feed of revocations was answered with status ${status}`);
    return readBounded(body, { what: 'the feed of revocations', maxBytes: MAX_ANSWER_BYTES });
  };

  /** Reads one answer; true if it had news. */
  const read = async (): Promise<boolean> => {
    reading = new AbortController();
    const after = view.cursor();
    const patience = (after === null ? 0 : waitSeconds * 1_000) + READ_TIMEOUT_MS;
    const timer = setTimeout(() => reading.abort(), patience);
    timer.unref();
    try {
      const { payload, protectedHeader } = await jwtVerify(await fetchAnswer(after), keys, {
        algorithms: ALGORITHMS,
        typ: 'revocations+jwt',
        issuer,
        currentDate: new Date(now()),
      });
      const answer = parseRevocationAnswer(payload);
      // Whoever has a withdrawn key could keep the view fresh and empty as long as the JWKS cannot be read anew.
      if (view.isKeyWithdrawn({ keyId: protectedHeader.kid ?? '', issuedAt: answer.issuedAt }))
        throw new Error('the answer was signed with a key that is withdrawn');
      view.take(answer);
      return view.cursor() !== after;
    } catch (error) {
      reading.abort();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, ms).unref();
    });

  const follow = async (): Promise<void> => {
    let failures = 0;
    while (!closed) {
      const began = performance.now();
      try {
        const hasNews = await read();
        failures = 0;
        open();
        await pause(Math.max(0, (hasNews ? NEWS_PACE_MS : IDLE_PACE_MS) - (performance.now() - began)));
      } catch (cause) {
        open();
        failures += 1;
        if (failures === 1 && !closed) options.onProblem?.('the feed of revocations cannot be read', cause);
        await pause(jittered(Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS)));
      }
    }
  };
  void follow();

  const ageSeconds = (): number => (closed ? Number.POSITIVE_INFINITY : view.ageSeconds());
  return {
    opened,
    isRevoked: (token) => {
      // Written so that an age that is no number is too old.
      if (ageSeconds() <= staleSeconds) return view.isRevoked(token);
      throw new RevocationsUnavailable('whether the token was revoked cannot be told');
    },
    keyWithdrawnAt: view.keyWithdrawnAt,
    ageSeconds,
    close: () => {
      closed = true;
      reading.abort();
      wake();
    },
  };
};
