/** Tells tokens that are good for something else from tokens for us with something wrong. Pure; believes nothing it reads. */
import { type Finding, type Findings, shown } from './finding.ts';

type Members = Readonly<Record<string, unknown>>;

/** A token as its parts say, its signature not looked at, and where it would be presented. */
export type ReadToken = { readonly header: Members; readonly payload: Members };

const ASK_FOR_US =
  "The agent must ask Entra for the scope <App ID URI>/.default of Countersign's registration, with az: --scope.";

/** Well-known audiences, as GUID and as URI, of what is most often asked for by mistake. */
const OTHERS: readonly (readonly [name: string, audiences: readonly string[]])[] = [
  ['Microsoft Graph', ['00000003-0000-0000-c000-000000000000', 'https://graph.microsoft.com']],
  [
    'Azure Resource Manager',
    [
      '797f4846-ba00-4fd7-ba43-dac1f8f63013',
      'https://management.azure.com',
      'https://management.core.windows.net',
      'https://management.usgovcloudapi.net',
      'https://management.chinacloudapi.cn',
    ],
  ],
  ['Azure Key Vault', ['cfa8b339-82a2-471a-a3c9-0fc0be7a4093', 'https://vault.azure.net']],
];
/** With the cloud's name at the end in sovereign ones; the GUID is what version 2.0 makes of it in the public one. */
const FEDERATION = ['api://azureadtokenexchange', 'fb60f99c-7a34-4190-8149-302f77469936'];

const audienceOf = ({ aud }: Members): string => String(Array.isArray(aud) ? aud[0] : aud).replace(/\/$/, '');

const problem = (message: string, advice: string): Finding => ({
  check: 'token',
  status: 'problem',
  message,
  advice,
});

const federated = ({ iss, sub }: Members): Finding | null =>
  typeof sub === 'string' && sub.startsWith('system:serviceaccount:')
    ? problem(
        `this is the token of a Kubernetes service account, issued by ${shown(iss)}`,
        'It is what the pod shows to Entra, as client_assertion of a federated credential. Send what Entra answers.',
      )
    : null;

const graphOrOther = ({ header, payload }: ReadToken): Finding | null => {
  const audience = audienceOf(payload).toLowerCase();
  const other = OTHERS.find(([, audiences]) => audiences.includes(audience))?.[0];
  if (other !== undefined) return problem(`the token is for ${other}, not for Countersign`, ASK_FOR_US);
  if (FEDERATION.some((federation) => audience.startsWith(federation)))
    return problem(
      'this is a federation token: it proves a managed identity or a blueprint to Entra itself',
      'Send it to Entra as client_assertion of the agent, with the scope <App ID URI>/.default, and present the answer.',
    );
  return header.nonce === undefined
    ? null
    : problem(
        "its header has a nonce: Microsoft's own services get such tokens, and only they can verify them",
        ASK_FOR_US,
      );
};

const ourOwn = ({ header, payload }: ReadToken, ownIssuer: string | null): Finding | null =>
  header.typ === 'at+jwt' || (ownIssuer !== null && payload.iss === ownIssuer)
    ? problem(
        'this is an access token as Countersign issues it, not an assertion of Entra',
        'Pass it to the API. /token takes the token that Entra gave the agent.',
      )
    : null;

const idToken = ({ payload }: ReadToken): Finding | null =>
  payload.azp === undefined && payload.appid === undefined && payload.aud !== undefined
    ? problem(
        'it has neither azp nor appid: this is an ID token, or no token of Entra',
        "Send the access_token of Entra's answer, not the id_token; an application gets one by client credentials.",
      )
    : null;

/** What the token is, if it is none for us; empty if it may be one. */
export const explainKind = (token: ReadToken, ownIssuer: string | null): Findings => {
  const found = federated(token.payload) ?? ourOwn(token, ownIssuer) ?? graphOrOther(token) ?? idToken(token);
  return found === null ? [] : [found];
};
