/** Reads a body of another party. @throws Error when it is larger than `maxBytes`. `what` names it in the message. */
export const readBounded = async (
  body: AsyncIterable<Uint8Array> | null,
  { what, maxBytes }: { what: string; maxBytes: number },
): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`${what} is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};
