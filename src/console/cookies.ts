/**
 * The console's two cookies: the session, and the browser a sign-in was begun in. On https their names begin with
 * `__Host-`, which no other host and no plain connection can set; on an http loopback base browsers would refuse
 * that, so they are plain there.
 */
import { randomBytes } from 'node:crypto';
import type { ConsoleContext } from './console-parts.ts';

/** Which of the two. */
export type Cookie = 'session' | 'sign_in';

/** 256 bits, base64url. */
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/** 256 random bits, base64url. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

const isSecure = (url: string): boolean => url.startsWith('https:');

const cookieName = (url: string, cookie: Cookie): string =>
  `${isSecure(url) ? '__Host-' : ''}countersign_${cookie}`;

/** The cookie's value if it has the form of one of ours. */
export const readCookie = (context: ConsoleContext, url: string, cookie: Cookie): string | null => {
  const value = context.cookies.get(cookieName(url, cookie));
  return value !== undefined && SECRET.test(value) ? value : null;
};

/** Sets the cookie for `maxAgeSeconds`; 0 takes it away. */
export const writeCookie = (
  context: ConsoleContext,
  url: string,
  cookie: { readonly name: Cookie; readonly value: string; readonly maxAgeSeconds: number },
): void => {
  const attributes = [
    `${cookieName(url, cookie.name)}=${cookie.value}`,
    'Path=/',
    `Max-Age=${cookie.maxAgeSeconds}`,
    'HttpOnly',
    'SameSite=Lax',
    ...(isSecure(url) ? ['Secure'] : []),
  ];
  context.append('Set-Cookie', attributes.join('; '));
};
