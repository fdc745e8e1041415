/**
 * Proof that a button was pressed on a page that this console rendered for this very session, for what the button
 * does (a verdict on these terms of this request, the lifting of its denial, the end of its grant), within the last
 * minutes: an HMAC over all of them. A forged, foreign or turned-around post cannot have it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** A vote's button. */
export type VoteAction = {
  readonly sessionDigest: string;
  readonly requestId: string;
  readonly termsDigest: string;
  /** What the page showed beside the terms (`shown.ts`); empty where a denial is lifted. */
  readonly shown: string;
  readonly verdict: 'approve' | 'deny' | 'lift';
};

/** What takes something back, or opens it again. */
export type DeedName = 'end_grant' | 'revoke_token' | 'set_block' | 'lift_block';

/** A button that takes back. */
export type DeedAction = {
  readonly sessionDigest: string;
  readonly deed: DeedName;
  /** Id of what it is done to; empty where the person says it in the form. */
  readonly subject: string;
};

/** What a token stands for. */
export type Action = VoteAction | DeedAction;

/** How long a rendered page can vote: long enough to read it, short enough that it is still what was read. */
export const ACTION_TOKEN_SECONDS = 600;

const TOKEN = /^(\d{1,12})\.([A-Za-z0-9_-]{43})$/;

const fieldsOf = (action: Action, expires: string): readonly string[] =>
  'deed' in action
    ? ['deed', expires, action.sessionDigest, action.deed, action.subject]
    : [
        'vote',
        expires,
        action.sessionDigest,
        action.requestId,
        action.termsDigest,
        action.shown,
        action.verdict,
      ];

/** Fields joined by a character that none of them can hold, so that two actions never have the same text. */
const mac = (key: Buffer, action: Action, expires: string): Buffer =>
  createHmac('sha256', key).update(fieldsOf(action, expires).join('\n')).digest();

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
