/**
 * MSAL's way to Entra: https only, no redirects, bounded in time and size, with the operator's own CA where the
 * authority is private. MSAL turns every failure into an error of its own; what it cannot tell apart, whether Entra
 * was there at all, is told here.
 */
import { request } from 'node:https';
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node';

/** Entra's answers are a few kilobytes. */
const ANSWER_MAX_BYTES = 256 * 1024;
/** A person waits for it. */
const ANSWER_TIMEOUT_MS = 5_000;
/** From here on the other side failed, not the request. */
const SERVER_ERROR_STATUS = 500;

export type EntraNetwork = INetworkModule & {
  /** Whether any request of this network failed for Entra's or the line's fault. */
  readonly failed: () => boolean;
};

type Answer = { readonly status: number; readonly headers: Record<string, string>; readonly text: string };

const send = (
  url: string,
  options: { readonly method: 'GET' | 'POST'; readonly ca: string | null } & NetworkRequestOptions,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { method, ca, headers = {}, body } = options;
    const sent = request(
      url,
      {
        method,
        headers,
        agent: false,
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
        ...(ca !== null && { ca }),
      },
      (answer) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes > ANSWER_MAX_BYTES) answer.destroy(new Error('the answer of Entra is too large'));
        });
        answer.once('error', reject);
        answer.once('end', () => {
          const flat = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
          resolve({
            status: answer.statusCode ?? 0,
            headers: Object.fromEntries(flat),
            text: Buffer.concat(chunks).toString(),
          });
        });
      },
    );
    sent.once('error', reject);
    sent.end(body);
  });

/** One network for one sign-in step. `ca` is PEM, null: the certificates that Node trusts. */
export const openEntraNetwork = (ca: string | null): EntraNetwork => {
  let failed = false;
  const exchange = async <Body>(
    url: string,
    method: 'GET' | 'POST',
    options: NetworkRequestOptions | undefined,
  ): Promise<NetworkResponse<Body>> => {
    try {
      const { status, headers, text } = await send(url, { ...options, method, ca });
      if (status >= SERVER_ERROR_STATUS) failed = true;
      return { status, headers, body: JSON.parse(text) as Body };
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  return {
    sendGetRequestAsync: (url, options) => exchange(url, 'GET', options),
    sendPostRequestAsync: (url, options) => exchange(url, 'POST', options),
    failed: () => failed,
  };
};
