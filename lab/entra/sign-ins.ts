/**
 * What the stand-in remembers of people: who is signed in at this browser, and the authorization codes on their way.
 * In memory only: a restart signs everybody out.
 */
import { randomBytes } from 'node:crypto';
import type { WorldPerson } from '../world.ts';

/** A person who typed their password, and when. */
export type SignIn = {
  readonly person: WorldPerson;
  readonly authTime: Date;
  /** Authentication contexts that the sign-in satisfied: typing the password is all that this stand-in knows. */
  readonly contexts: readonly string[];
};

/** What an authorization code stands for. */
export type CodeGrant = SignIn & {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: string;
  readonly nonce: string | undefined;
  /** RFC 7636, S256; undefined when the client sent none. */
  readonly codeChallenge: string | undefined;
};

export type SignIns = {
  readonly remember: (signIn: SignIn) => string;
  readonly recall: (session: string | undefined) => SignIn | undefined;
  readonly forget: (session: string | undefined) => void;
  /** Makes a code for one redemption. */
  readonly issueCode: (grant: CodeGrant, now: Date) => string;
  /** Takes a code, once; RFC 6749 section 4.1.2. */
  readonly redeemCode: (code: string, now: Date) => CodeGrant | 'unknown' | 'used' | 'expired';
};

/** RFC 6749 section 4.1.2 recommends at most ten minutes. */
const CODE_LIFETIME_MS = 600_000;

const newHandle = (): string => randomBytes(32).toString('base64url');

/** Opens an empty memory. */
export const createSignIns = (): SignIns => {
  const sessions = new Map<string, SignIn>();
  const codes = new Map<string, { readonly grant: CodeGrant; readonly expiresAt: number; used: boolean }>();
  return {
    remember: (signIn) => {
      const session = newHandle();
      sessions.set(session, signIn);
      return session;
    },
    recall: (session) => (session === undefined ? undefined : sessions.get(session)),
    forget: (session) => {
      if (session !== undefined) sessions.delete(session);
    },
    issueCode: (grant, now) => {
      const code = newHandle();
      codes.set(code, { grant, expiresAt: now.getTime() + CODE_LIFETIME_MS, used: false });
      return code;
    },
    redeemCode: (code, now) => {
      const issued = codes.get(code);
      if (issued === undefined) return 'unknown';
      if (issued.used) return 'used';
      issued.used = true;
      return issued.expiresAt <= now.getTime() ? 'expired' : issued.grant;
    },
  };
};
