/**
 * Proof that a button was pressed on a page that this console rendered for this very session, request and terms, for
 * this very verdict or the lifting of a denial, within the last minutes: an HMAC over all of them. A forged, foreign or turned-around post
 * cannot have it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a token stands for. */
export type Action = {
  readonly sessionDigest: string;
  readonly requestId: string;
  readonly termsDigest: string;
  /** What the page showed beside the terms (`shown.ts`); empty where a denial is lifted. */
  readonly shown: string;
  readonly verdict: 'approve' | 'deny' | 'lift';
};

/** How long a rendered page can vote: long enough to read it, short enough that it is still what was read. */
export const ACTION_TOKEN_SECONDS = 600;

const TOKEN = /^(\d{1,12})\.([A-Za-z0-9_-]{43})$/;

/** Fields joined by a character that none of them can hold, so that two actions never have the same text. */
const mac = (key: Buffer, action: Action, expires: string): Buffer =>
  createHmac('sha256', key)
    .update(
      [
        'vote',
        expires,
        action.sessionDigest,
        action.requestId,
        action.termsDigest,
        action.shown,
        action.verdict,
      ].join('\n'),
    )
    .digest();

/** A token for this action, good for `ACTION_TOKEN_SECONDS` from `now`. */
export const issueActionToken = (key: Buffer, action: Action, now: Date): string => {
  const expires = String(Math.floor(now.getTime() / 1000) + ACTION_TOKEN_SECONDS);
  return `${expires}.${mac(key, action, expires).toString('base64url')}`;
};

/** Null if the token is good, else whether it is only too old or not one for this action at all. */
export const checkActionToken = (
  key: Buffer,
  action: Action,
  { token, now }: { readonly token: string; readonly now: Date },
): 'expired' | 'invalid' | null => {
  const [, expires, code] = TOKEN.exec(token) ?? [];
  if (expires === undefined || code === undefined) return 'invalid';
  if (!timingSafeEqual(mac(key, action, expires), Buffer.from(code, 'base64url'))) return 'invalid';
  return Number(expires) * 1000 > now.getTime() ? null : 'expired';
};
