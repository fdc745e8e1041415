/**
 * Authorization details (RFC 9396) as the registry types them. The schema is small on purpose and closed: every
 * type, field and bound is one that a person who approves can be shown, an unknown one is refused, and there is no
 * pattern that a request could make slow. A field must be there unless it is declared optional, because a missing
 * detail usually means more, not less.
 */
import * as z from 'zod';
import { DISPLAY_TEXT } from './display-text.ts';

const shown = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .regex(DISPLAY_TEXT, 'must be one line of text without control or formatting characters');
const description = shown.max(200).optional().describe('What the field means, for approvers.');
const optional = z
  .boolean()
  .default(false)
  .describe('Whether a request may leave the field out; default: false.');
const values = z
  .array(shown.max(200))
  .min(1)
  .max(200)
  .optional()
  .describe('The only values allowed; default: any text.');
const max_length = z.int().min(1).max(1000).default(200).describe('Longest text, characters; default: 200.');

const detailField = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('string'), description, optional, values, max_length }),
  z.strictObject({
    type: z.literal('strings').describe('A list of texts, none twice.'),
    description,
    optional,
    values,
    max_length,
    max_items: z.int().min(1).max(100).default(20).describe('Longest list; default: 20.'),
    narrowable: z
      .boolean()
      .optional()
      .describe('Whether fewer items mean less, so that approvers may take some away; default: false.'),
  }),
  z
    .strictObject({
      type: z.literal('integer'),
      description,
      optional,
      minimum: z.int().optional(),
      maximum: z.int().optional(),
    })
    .refine(({ minimum, maximum }) => minimum === undefined || maximum === undefined || minimum <= maximum, {
      path: ['maximum'],
      error: 'must not be below the minimum',
    }),
  z.strictObject({ type: z.literal('boolean'), description, optional }),
]);

/** One `type` of authorization details that a resource understands. */
export const detailType = z.strictObject({
  description: shown.max(500).describe('What the type is about, for approvers.'),
  fields: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9_]{0,63}$/)
        .refine((name) => name !== 'type', 'must not be "type": every element has that already'),
      detailField,
    )
    .describe('The members an element of this type has besides "type"; others are refused.'),
});

export type DetailField = z.output<typeof detailField>;
export type DetailType = z.output<typeof detailType>;

const checkText = (
  field: { values?: string[] | undefined; max_length: number },
  value: unknown,
): string | null => {
  if (typeof value !== 'string' || !DISPLAY_TEXT.test(value)) return 'must be plain text';
  if ([...value].length > field.max_length) return `must have at most ${field.max_length} characters`;
  if (field.values && !field.values.includes(value)) return 'has a value that is not allowed';
  return null;
};

const checkField = (field: DetailField, value: unknown): string | null => {
  switch (field.type) {
    case 'string':
      return checkText(field, value);
    case 'strings': {
      if (!Array.isArray(value) || value.length === 0) return 'must be a list that is not empty';
      if (value.length > field.max_items) return `must have at most ${field.max_items} items`;
      if (new Set(value).size < value.length) return 'must not have the same item twice';
      return value.map((item) => checkText(field, item)).find((problem) => problem !== null) ?? null;
    }
    case 'integer':
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return 'must be an integer';
      if (field.minimum !== undefined && value < field.minimum) return `must be at least ${field.minimum}`;
      if (field.maximum !== undefined && value > field.maximum) return `must be at most ${field.maximum}`;
      return null;
    case 'boolean':
      return typeof value === 'boolean' ? null : 'must be true or false';
  }
};

const checkElement = (
  fields: ReadonlyMap<string, DetailField>,
  element: Readonly<Record<string, unknown>>,
): string | null => {
  for (const name of Object.keys(element))
    if (name !== 'type' && !fields.has(name)) return ' has a member that its type does not have';
  for (const [name, field] of fields) {
    if (!Object.hasOwn(element, name)) {
      if (field.optional) continue;
      return `.${name} is missing`;
    }
    const problem = checkField(field, element[name]);
    if (problem !== null) return `.${name} ${problem}`;
  }
  return null;
};

/**
 * The check of a resource's authorization details: null when every element is of a registered type and fits it
 * (RFC 9396 section 5), else what is wrong. The words are ASCII and repeat nothing that the request said.
 */
export const authorizationDetailsCheck = (types: Readonly<Record<string, DetailType>>) => {
  const registered = new Map(
    Object.entries(types).map(([name, { fields }]) => [name, new Map(Object.entries(fields))] as const),
  );
  return (details: readonly Readonly<Record<string, unknown>>[]): string | null => {
    for (const [index, element] of details.entries()) {
      const { type } = element;
      const fields = typeof type === 'string' ? registered.get(type) : undefined;
      const problem = fields ? checkElement(fields, element) : ' is of a type that this API does not have';
      if (problem !== null) return `authorization_details[${index}]${problem}`;
    }
    return null;
  };
};

/** Which lists of details fewer items make less, as the registry says. Anything that it does not know may not be. */
export const shortenableDetails =
  (types: Readonly<Record<string, DetailType>>) =>
  (type: string, field: string): boolean => {
    const fields = Object.hasOwn(types, type) ? types[type]?.fields : undefined;
    const found = fields !== undefined && Object.hasOwn(fields, field) ? fields[field] : undefined;
    return found?.type === 'strings' && found.narrowable === true;
  };
