/**
 * Reads a request's body, bounded by counting what arrives, not by what the sender announced. A sender of too much
 * is read a little further before it is refused: closing on somebody who still writes resets the connection, and
 * the answer is lost with it.
 */
import type { IncomingMessage } from 'node:http';
import { FORM_REASONS, type FormReason } from '../reasons/form.ts';

/** How much and how long more is read, and forgotten, of a body that is too large. */
const DISCARD_MAX_BYTES = 2 * 1_024 * 1_024;
const DISCARD_MAX_MS = 250;

/** Why a body is refused; an RFC 6749 section 5.2 error for the wire. */
export type BodyRefusal = {
  readonly status: number;
  readonly error: 'invalid_request';
  readonly description: string;
  /** Set when the connection must not be used again: the rest of the body may still be coming. */
  readonly close?: true;
};

export const refuseBody = (description: string): BodyRefusal => ({
  status: 400,
  error: 'invalid_request',
  description,
});

/** The same by a reason of its own, for the trail. */
export type FormRefusal = BodyRefusal & { readonly reason: Exclude<FormReason, `grant_type_${string}`> };

export const refuseForm = (reason: FormRefusal['reason']): FormRefusal => {
  const { status, description } = FORM_REASONS[reason].client;
  return { ...refuseBody(description), reason, status };
};

const ENDED_EARLY: FormRefusal = { ...refuseForm('body_incomplete'), close: true };

/** The whole body, at most `maxBytes` of it. A body can be read once. */
export const readBody = (request: IncomingMessage, maxBytes: number): Promise<Buffer | FormRefusal> => {
  if (request.readableEnded) throw new Error('the body of this request was read before');
  if (request.headers['content-encoding'] !== undefined) {
    return Promise.resolve(refuseForm('body_compressed'));
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let discarding: NodeJS.Timeout | undefined;

    const finish = (result: Buffer | FormRefusal): void => {
      clearTimeout(discarding);
      resolve(result);
    };
    const tooLarge = (): void =>
      finish({
        ...refuseForm('body_too_large'),
        description: `the body has more than ${maxBytes} bytes`,
        close: true,
      });
    const discard = (): void => {
      chunks.length = 0;
      discarding ??= setTimeout(tooLarge, DISCARD_MAX_MS);
    };

    if (Number(request.headers['content-length'] ?? 0) > maxBytes) discard();
    request
      .on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes) discard();
        else if (discarding === undefined) chunks.push(chunk);
        if (bytes > maxBytes + DISCARD_MAX_BYTES) tooLarge();
      })
      .once('end', () => (discarding === undefined ? finish(Buffer.concat(chunks)) : tooLarge()))
      .once('error', () => finish(ENDED_EARLY))
      .once('close', () => finish(ENDED_EARLY));
  });
};
