/** Whether a token names an application of its own, and how: the claims that the registration in Entra decides. Pure. */
import { isGuid, type TrustedTenant } from '../identity/trusted-tenants.ts';
import { type Finding, type Findings, shown } from './finding.ts';

type Members = Readonly<Record<string, unknown>>;

const finding = (status: Finding['status'], message: string, advice?: string): Finding => ({
  check: 'token',
  status,
  message,
  ...(advice !== undefined && { advice }),
});

const SIGN_IN_AS_ITSELF =
  'The agent must sign in as itself: client credentials, a federated credential or a managed identity, scope <App ID URI>/.default. "az account get-access-token" of a person gives the person\'s token.';

const isAgentUser = ({ xms_sub_fct: facets }: Members): boolean =>
  typeof facets === 'string' && facets.split(' ').includes('13');

const explainSubject = (claims: Members, { allowMissingIdtyp }: TrustedTenant): Findings => {
  const { idtyp, scp, sub, oid } = claims;
  if (scp === '/' || scp === '')
    return [
      finding(
        'problem',
        `scp is there though it names nothing (${shown(scp)})`,
        "Only a token without scp counts as an application's own.",
      ),
    ];
  if (scp !== undefined || idtyp === 'user') {
    const why = scp === undefined ? 'idtyp is user' : `scp is ${shown(scp)}`;
    return isAgentUser(claims)
      ? [
          finding(
            'problem',
            `this is the token of an agent's user account (${why})`,
            'Use the token of the agent identity itself, without user_fic.',
          ),
        ]
      : [finding('problem', `this is a user's token (${why})`, SIGN_IN_AS_ITSELF)];
  }
  if (idtyp === 'app') return [];
  if (idtyp !== undefined)
    return [finding('problem', `idtyp is ${shown(idtyp)}: no application of its own`, SIGN_IN_AS_ITSELF)];
  const add =
    "Add it to Countersign's registration: Token configuration, Add optional claim, Access, idtyp (optionalClaims.accessToken).";
  if (!allowMissingIdtyp)
    return [
      finding(
        'problem',
        'the optional claim idtyp is missing',
        `${add} Or set allow_missing_idtyp: true for this tenant, which tells applications by sub = oid.`,
      ),
    ];
  return sub === oid
    ? [finding('note', 'the optional claim idtyp is missing; allow_missing_idtyp lets it pass', add)]
    : [
        finding(
          'problem',
          "the optional claim idtyp is missing, and sub is not oid: this may be a user's token",
          add,
        ),
      ];
};

const explainServicePrincipal = ({ oid, azp, appid }: Members): Findings =>
  oid === undefined
    ? [
        finding(
          'problem',
          'oid is missing: the application has no service principal in this tenant',
          // Nobody has verified this token: what goes into a command to copy is an id or nothing of it.
          `Create it: az ad sp create --id ${isGuid(azp ?? appid) ? shown(azp ?? appid) : 'APPLICATION_ID'}`,
        ),
      ]
    : [];

const explainCredential = ({ azpacr, appidacr }: Members): Findings => {
  const method = azpacr ?? appidacr;
  if (method === '0')
    return [
      finding(
        'note',
        'it signed in without a credential (azpacr 0): a rule with refuse_client_secret refuses it',
      ),
    ];
  return method === '1'
    ? [
        finding(
          'note',
          'it signed in with a client secret (azpacr 1): a rule with refuse_client_secret refuses it',
        ),
      ]
    : [];
};

const explainRoles = ({ roles = [] }: Members, { requiredRoles }: TrustedTenant): Findings => {
  const missing = requiredRoles.filter((role) => !Array.isArray(roles) || !roles.includes(role));
  return missing.length === 0
    ? []
    : [
        finding(
          'problem',
          `the app role ${missing.join(', ')} is missing from roles, which are ${shown(roles)}`,
          "Assign it to the workload's service principal on Countersign's enterprise application (appRoleAssignedTo); the role must allow applications. Tokens that exist keep their roles until they expire.",
        ),
      ];
};

const explainTimes = ({ exp, nbf }: Members, now: Date): Findings => {
  const seconds = Math.floor(now.getTime() / 1000);
  if (typeof exp === 'number' && exp <= seconds)
    return [
      finding(
        'problem',
        `it expired ${seconds - exp} s ago`,
        'Get a fresh one: agents must not keep a token past its exp.',
      ),
    ];
  return typeof nbf === 'number' && nbf > seconds
    ? [
        finding(
          'problem',
          `it is not valid for another ${nbf - seconds} s`,
          'Compare the clock of this machine.',
        ),
      ]
    : [];
};

/** What is wrong with, or worth knowing of, the claims about the workload in a token of `tenant`. */
export const explainWorkload = (claims: Members, tenant: TrustedTenant, now: Date): Findings => [
  ...explainSubject(claims, tenant),
  ...explainServicePrincipal(claims),
  ...explainRoles(claims, tenant),
  ...explainTimes(claims, now),
  ...explainCredential(claims),
];
