/**
 * `GET /revocations`: what APIs must refuse although it is signed and unexpired, as public as a CRL and signed like a
 * token. It tells no reasons and no names. An answer is as fresh as its `iat`; a reader whose `cursor` is the newest is
 * held until there is something new.
 */
import Router from '@koa/router';
import { addressPrefix } from '../http/network.ts';
import { preferredWaitSeconds } from '../http/preferred-wait.ts';
import type { RevocationAnswer, RevocationFeed } from '../revocation/revocation-feed.ts';
import { signJws } from '../tokens/sign-jws.ts';
import type { SigningKeys } from '../tokens/signing-keys.ts';

/** How long a reader is held that prefers nothing. */
const WAIT_SECONDS = 10;
/** Places of readers that are signed for within a second. Those who follow are at few; who asks for many does it to be a burden. */
const PLACES_MAX = 64;

export type RevocationFeedParts = {
  readonly issuer: string;
  readonly feed: Pick<RevocationFeed, 'read'>;
  readonly signingKeys: Pick<SigningKeys, 'active'>;
};

/** Signs each answer once, however many readers of one place are woken by it. Null: for a place too many. */
const createSigner = ({ issuer, signingKeys }: RevocationFeedParts) => {
  let signed = new Map<string | null, string>();
  let moment = '';
  return (after: string | null, { now, ...delta }: RevocationAnswer): string | null => {
    const iat = Math.floor(now.getTime() / 1_000);
    const key = signingKeys.active('ES256');
    const current = `${delta.cursor} ${iat} ${key.kid}`;
    if (current !== moment) signed = new Map();
    moment = current;
    const place = delta.complete ? null : after;
    const known = signed.get(place);
    if (known !== undefined) return known;
    if (place !== null && signed.size >= PLACES_MAX) return null;
    // Signed with the place it goes on from: a delta for another reader would leave a gap in this one's view.
    const from = place !== null && { after: place };
    const jws = signJws(key, 'revocations+jwt', { iss: issuer, iat, ...from, ...delta });
    signed.set(place, jws);
    return jws;
  };
};

export const revocationFeedRoutes = (parts: RevocationFeedParts): Router => {
  const router = new Router();
  const sign = createSigner(parts);
  router.get('/revocations', async (context) => {
    context.set('Cache-Control', 'no-store');
    const { after: query } = context.query;
    const after = typeof query === 'string' ? query : null;
    const gone = new AbortController();
    context.res.once('close', () => gone.abort());
    const waitMs = (preferredWaitSeconds(context.get('prefer')) ?? WAIT_SECONDS) * 1_000;
    const hold = { waitMs, signal: gone.signal, from: addressPrefix(context.state.clientAddress) };
    const answer = await parts.feed.read(after, hold);
    const signed = sign(after, answer) ?? sign(null, await parts.feed.read(null, hold));
    context.status = 200;
    context.type = 'application/jwt';
    context.body = signed;
  });
  return router;
};
