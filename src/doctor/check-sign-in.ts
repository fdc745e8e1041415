/** The console's application at Entra, as far as it can be seen without signing in: its authority, and what must go with it. */
import type { Config } from '../config.ts';
import { fetchIssuerDocument } from '../identity/fetch-key-set.ts';
import { isJsonObject, parseStrictJson } from '../strict-json.ts';
import { metadataUrl } from './check-issuer.ts';
import { type Finding, type Findings, failureWords, shown, startAdvice } from './finding.ts';

const check = 'sign-in';

const authorityFinding = async ({
  authority,
  tenantId,
  ca,
}: NonNullable<Config['signIn']>): Promise<Finding> => {
  const url = metadataUrl({ authority, tenantId }, '2.0');
  const failed = (words: string, advice?: string | null): Finding => ({
    check,
    status: 'problem',
    message: `people cannot sign in: ${url} cannot be used: ${words}`,
    advice:
      advice ?? 'Compare COUNTERSIGN_SIGN_IN_TENANT, and the cloud of that tenant in COUNTERSIGN_ENTRA.',
  });
  try {
    const { text } = await fetchIssuerDocument({ url, ca: ca ?? undefined, mayBePrivate: ca !== null });
    const { value } = parseStrictJson(text);
    if (!isJsonObject(value)) return failed('the document is no JSON object');
    const strange = ['issuer', 'authorization_endpoint', 'token_endpoint'].find(
      (name) => !String(value[name]).startsWith(`${authority}/${tenantId}/`),
    );
    return strange === undefined
      ? { check, status: 'ok', message: `people sign in at ${authority}/${tenantId}` }
      : failed(`its ${strange} is ${shown(value[strange])}`);
  } catch (error) {
    return failed(failureWords(error), startAdvice(url, error));
  }
};

/** Secrets are not tried: whether Entra takes the client secret shows at the first sign-in. */
export const checkSignIn = async ({ signIn, consoleUrl, tenants }: Config): Promise<Findings> => {
  if (signIn === null) {
    return [
      {
        check,
        status: 'warning',
        message: 'no application is configured for sign-in: nobody can open the pages, so nobody can approve',
        advice:
          'Set COUNTERSIGN_SIGN_IN_TENANT, COUNTERSIGN_SIGN_IN_CLIENT_ID and COUNTERSIGN_SIGN_IN_CLIENT_SECRET.',
      },
    ];
  }
  const isApi = tenants.some(({ tenantId, issuers }) =>
    issuers.some(({ audiences }) => tenantId === signIn.tenantId && audiences.includes(signIn.clientId)),
  );
  return [
    await authorityFinding(signIn),
    {
      check,
      status: 'note',
      message: `the registration ${signIn.clientId} must have the Web redirect URI ${consoleUrl}/sign-in/callback`,
    },
    ...(isApi
      ? []
      : [
          {
            check,
            status: 'note',
            message: `the console's registration is another one than the API's: app roles for people go to ${signIn.clientId}`,
          } as const,
        ]),
  ];
};
