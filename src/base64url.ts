/** Decodes base64url, canonical or not at all. */

/**
 * The bytes of canonical, unpadded base64url (RFC 7515 section 2), null for anything else. Decoders skip spaces,
 * padding and stray last bits, so that one token has many spellings; encoding again and comparing leaves one.
 */
export const decodeBase64url = (text: string): Buffer | null => {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
};
