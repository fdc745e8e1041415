/**
 * The registry as administrators write it. The same schema validates the files, describes them to editors
 * (`registry.schema.json`) and reads a stored revision back: what is in force has passed it twice.
 */
import * as z from 'zod';
import { AUDIENCE_MAX_LENGTH, AUDIENCE_PATTERN, checkAudience } from './audience.ts';
import { detailType } from './authorization-details.ts';
import { DISPLAY_PARAGRAPHS, DISPLAY_TEXT } from './display-text.ts';

const GUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

const guid = z
  .string()
  .regex(GUID, 'must be a GUID, such as 11111111-2222-3333-4444-555555555555')
  .toLowerCase()
  .refine((value) => !/^[0-]+$/.test(value), 'must not be the empty GUID: put the id that Entra shows here');

const name = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(100)
  .regex(DISPLAY_TEXT, 'must be one line of text without control or formatting characters');

const description = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(1000)
  .regex(DISPLAY_PARAGRAPHS, 'must be text without control or formatting characters');

const audience = z
  .string()
  .max(AUDIENCE_MAX_LENGTH)
  .regex(AUDIENCE_PATTERN, { error: 'must be an absolute URI', abort: true })
  .superRefine((value, context) => {
    const problem = checkAudience(value);
    if (problem !== null) context.addIssue(problem);
  });

/** One `scope-token` of RFC 6749 section 3.3. */
const scope = z
  .string()
  .regex(
    /^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/,
    'must be 1-100 printable ASCII characters without space, " and \\',
  );

const enabled = z.boolean().default(true).describe('false: refused everything, history kept; default: true.');

/** Refuses a list that names the same thing twice. */
const distinct =
  <Item>(keyOf: (item: Item) => string) =>
  (items: Item[], context: z.core.$RefinementCtx<Item[]>): void => {
    const seen = new Set<string>();
    for (const [index, item] of items.entries()) {
      const key = keyOf(item);
      if (seen.has(key))
        context.addIssue({ code: 'custom', path: [index], message: `${key} is listed twice` });
      seen.add(key);
    }
  };

const scopeList = z.array(scope).superRefine(distinct((item) => item));

/** A form that no Entra id, request id or other identifier of a person or tenant has (RFC 9700 section 4.15). */
const agentId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,62}$/, 'must be 2-63 lower-case letters, digits and "-", beginning with a letter')
  .refine(
    (value) => !/^[0-9a-f]{32}$/.test(value.replaceAll('-', '')),
    'must not be a GUID: give the agent a name',
  )
  .refine(
    (value) => !value.startsWith('areq-'),
    'must not begin with "areq-", which reads like a request id',
  );

const principal = {
  tenant: guid.describe('Entra tenant id.'),
  object: guid.describe(
    'Entra object id; of a workload that of its service principal, not of its app registration.',
  ),
};

export const agentEntry = z
  .strictObject({
    id: agentId.describe('Assigned here and kept for good: `sub` and `client_id` of its tokens.'),
    name: name.describe('What approvers read.'),
    description: description.describe('What the agent does and for whom.'),
    enabled,
    workload: z
      .strictObject({ ...principal, application: guid.describe('Entra application (client) id.') })
      .describe('The Entra workload that is this agent; all three ids must match.'),
    owners: z
      .array(z.strictObject(principal))
      .min(1, 'must name at least one owner')
      .superRefine(distinct((owner) => `${owner.tenant}/${owner.object}`))
      .describe('People who answer for the agent. They may never approve for it.'),
    sponsors: z
      .array(z.strictObject(principal))
      .superRefine(distinct((sponsor) => `${sponsor.tenant}/${sponsor.object}`))
      .optional()
      .describe('People for whom or at whose request the agent works. They may never approve for it either.'),
    environment: z
      .enum(['dev', 'test', 'prod'])
      .optional()
      .describe('Set if the agent belongs to one environment.'),
    access: z
      .array(
        z.strictObject({
          audience: audience.describe('A registered resource.'),
          scopes: scopeList.min(1, 'must name at least one scope'),
        }),
      )
      .superRefine(distinct((entry) => entry.audience))
      .describe('The most it may ever ask for; what it gets, policy and approvers decide.'),
  })
  .describe('Who may ask.');

/** Accounts of one person: told apart by Entra, and by nobody else. */
export const personEntry = z
  .strictObject({
    id: agentId.describe('A name for the entry, which nothing else uses.'),
    accounts: z
      .array(z.strictObject(principal))
      .min(2, 'must list at least two accounts: one alone is a person already')
      .superRefine(distinct((account) => `${account.tenant}/${account.object}`))
      .describe('All accounts of the person: administrative ones, guest accounts in other tenants.'),
  })
  .describe('A person with several accounts, who counts as one.');

export const resourceEntry = z
  .strictObject({
    audience: audience.describe('The `aud` of its tokens (RFC 8707), such as api://payroll.prod.'),
    name: name.describe('What approvers read.'),
    description: description.describe('What the API is and what it guards.'),
    enabled,
    environment: z.enum(['dev', 'test', 'prod']),
    sensitivity: z.enum(['low', 'moderate', 'high', 'critical']),
    scopes: z
      .record(scope, description)
      .refine((scopes) => Object.keys(scopes).length > 0, 'must have at least one scope')
      .describe('Each action by its name, with what it does in words for approvers.'),
    default_scopes: scopeList
      .default([])
      .describe('Asked for by a request that names no scope; default: none.'),
    workload: z
      .strictObject(principal)
      .optional()
      .describe('The Entra workload of the API itself, if it calls the broker.'),
    token_signing_alg: z
      .enum(['ES256', 'RS256'])
      .default('ES256')
      .describe('What its access tokens are signed with: RS256 for an API that can verify nothing else.'),
    authorization_details: z
      .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/), detailType)
      .default({})
      .describe('Types of authorization details (RFC 9396) that the API understands; default: none.'),
  })
  .describe('What may be asked for: one protected API in one environment.');

/** One registry file, and (with every entry that there ever was) one revision as it is stored. */
export const registryDocument = z
  .strictObject({
    version: z.literal(1, 'must be 1, the version of this format').describe('Version of this format.'),
    agents: z.array(agentEntry).default([]),
    resources: z.array(resourceEntry).default([]),
    people: z
      .array(personEntry)
      .optional()
      .describe('People with several accounts: whoever may not approve may not by another account either.'),
  })
  .meta({ title: 'Countersign registry', description: 'Agents and the APIs they may ask for.' });

export type AgentEntry = z.output<typeof agentEntry>;
export type PersonEntry = z.output<typeof personEntry>;
export type ResourceEntry = z.output<typeof resourceEntry>;
export type RegistryDocument = z.output<typeof registryDocument>;

/** The JSON Schema of a registry file, as committed in `registry.schema.json`. */
export const registryJsonSchema = (): string =>
  `${JSON.stringify(z.toJSONSchema(registryDocument, { io: 'input' }), null, 2)}\n`;

const byText =
  <Item>(keyOf: (item: Item) => string) =>
  (a: Item, b: Item): number =>
    keyOf(a) < keyOf(b) ? -1 : 1;

const sortedList = (list: readonly string[]): string[] => [...list].sort();

const inAccountOrder = <Account extends { tenant: string; object: string }>(
  list: readonly Account[],
): Account[] => [...list].sort(byText(({ tenant, object }) => `${tenant}/${object}`));

/** The same registry in one order, so that moving lines about in a file changes nothing. */
export const inOneOrder = (document: RegistryDocument): RegistryDocument => ({
  version: document.version,
  agents: document.agents
    .map((agent) => ({
      ...agent,
      owners: inAccountOrder(agent.owners),
      ...(agent.sponsors && { sponsors: inAccountOrder(agent.sponsors) }),
      access: agent.access
        .map((entry) => ({ ...entry, scopes: sortedList(entry.scopes) }))
        .sort(byText((entry) => entry.audience)),
    }))
    .sort(byText((agent) => agent.id)),
  resources: document.resources
    .map((resource) => ({ ...resource, default_scopes: sortedList(resource.default_scopes) }))
    .sort(byText((resource) => resource.audience)),
  ...(document.people && {
    people: document.people
      .map((person) => ({ ...person, accounts: inAccountOrder(person.accounts) }))
      .sort(byText((person) => person.id)),
  }),
});
