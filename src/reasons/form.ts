/** Requests to /token and /revoke that are refused by their form, before anything in them is read as an exchange. */
import type { ClientAnswer, Explanation } from './explanation.ts';

const CLIENT = 'The client is set up wrongly: tell its developer.';
const PROBE = 'Once: a mistake. From one network, in many forms: somebody probes.';

const malformed = (description: string) => ({ status: 400, error: 'invalid_request', description }) as const;

export const FORM_REASONS = {
  method_not_post: {
    meaning: 'What takes a form was asked by another method than POST.',
    advice: 'If parameters stood in the address, whatever logs addresses has an assertion now.',
    client: { ...malformed('send a POST with a form'), status: 405 },
  },
  body_compressed: {
    meaning: 'The body was compressed.',
    advice: CLIENT,
    client: malformed('the body must not be compressed'),
  },
  body_incomplete: {
    meaning: 'The sender went away, or was too slow, before its body had come.',
    advice: 'Once: a network that failed. Often: look at what is between the client and the broker.',
    client: malformed('the request ended before its body did'),
  },
  body_too_large: {
    meaning: 'The body is larger than any form that is meant for the broker.',
    advice: PROBE,
    client: { ...malformed('the body is too large'), status: 413 },
  },
  content_type: {
    meaning: 'The body is no form: it came as JSON, as multipart, in another charset or without a type.',
    advice: CLIENT,
    client: malformed('the Content-Type must be application/x-www-form-urlencoded, in UTF-8'),
  },
  parameter_in_address: {
    meaning: 'A parameter of an exchange stood in the address, where logs and histories keep it.',
    advice:
      'The client is set up wrongly: tell its developer. An assertion that stood there is known to every log.',
    client: malformed('parameters belong in the body, never in the address'),
  },
  parameter_repeated: {
    meaning: 'A parameter that means one thing came more than once.',
    advice: PROBE,
    client: malformed('a parameter occurs more than once'),
  },
  parameters_too_many: {
    meaning: 'The form has more parameters than any that is meant for the broker.',
    advice: PROBE,
    client: malformed('the form has more than 100 parameters'),
  },
  form_encoding: {
    meaning: 'The form is no percent-encoded UTF-8 text, or has NUL in it.',
    advice: PROBE,
    client: malformed('the form is not percent-encoded UTF-8 text'),
  },
  grant_type_missing: {
    meaning: 'No grant_type was named.',
    advice: CLIENT,
    client: { status: 400, error: 'invalid_request' },
  },
  grant_type_unsupported: {
    meaning: 'Another grant than the token exchange was asked for.',
    advice: CLIENT,
    client: { status: 400, error: 'unsupported_grant_type' },
  },
} as const satisfies Record<string, Explanation & { client: ClientAnswer & { description?: string } }>;

export type FormReason = keyof typeof FORM_REASONS;
