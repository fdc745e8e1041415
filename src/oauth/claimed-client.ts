/**
 * The client id a request claims, in the form or by HTTP Basic with an empty secret. It is only a claim: the
 * assertion says who the agent is. Many OAuth clients cannot leave it out, and some try Basic first.
 */
import type { Form } from '../http/form.ts';
import type { Checked } from './exchange-request.ts';

const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i;

/** RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined. */
const formDecode = (text: string): string | null => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
};

const basicClientId = (authorization: string): string | null => {
  const encoded = BASIC.exec(authorization)?.[1];
  if (encoded === undefined) return null;
  const credentials = Buffer.from(encoded, 'base64').toString();
  const colon = credentials.indexOf(':');
  const hasSecret = colon !== credentials.length - 1;
  return colon <= 0 || hasSecret ? null : formDecode(credentials.slice(0, colon));
};

/** The claimed id, null if none. Anything that looks like a client's secret is refused: agents have none. */
export const claimedClientId = (form: Form, authorization: string | undefined): Checked<string | null> => {
  if (form.get('client_secret') !== undefined || form.get('client_assertion') !== undefined)
    return { reason: 'client_authentication' };
  const inForm = form.get('client_id') ?? null;
  if (authorization === undefined) return { value: inForm };
  const inHeader = basicClientId(authorization);
  if (inHeader === null) return { reason: 'client_authentication' };
  if (inForm !== null && inForm !== inHeader) return { reason: 'client_id_conflict' };
  return { value: inHeader };
};
