/** Reads small JSON bodies strictly: bounded, UTF-8, every member named once. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { parseStrictJson } from '../strict-json.ts';
import { type BodyRefusal, readBody, refuseBody } from './body.ts';

const JSON_MAX_BYTES = 256 * 1_024;

const JSON_TYPE = /^application\/json *(?:; *charset=("?)utf-8\1 *)?;?$/i;

/** The parsed body, or (told by `error`) why it is refused. Its shape is the caller's to check. */
export const readJson = async (
  request: IncomingMessage,
): Promise<{ readonly value: unknown } | BodyRefusal> => {
  const body = await readBody(request, JSON_MAX_BYTES);
  if (!Buffer.isBuffer(body)) return body;
  if (!JSON_TYPE.test(request.headers['content-type'] ?? '')) {
    return refuseBody('the Content-Type must be application/json');
  }
  const { value, problem } = isUtf8(body) ? parseStrictJson(body.toString()) : { problem: 'malformed' };
  if (problem === 'duplicate') return refuseBody('an object of the JSON names a member twice');
  return problem === undefined ? { value } : refuseBody('the body is not JSON in UTF-8');
};
