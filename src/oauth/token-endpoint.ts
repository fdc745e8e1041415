/**
 * `POST /token` on oidc-provider. The library sees a request made here from what the front door read strictly: the
 * grant type and one constant public client, the pinned host, no header of the caller. What the exchange itself needs
 * goes round the library, unchanged. Its answer is written whole, since the library's errors drop extra members.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { IncomingMessage, type ServerResponse } from 'node:http';
import { errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Form } from '../http/form.ts';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** Every caller is this client to the library; who really asks is told by the assertion. */
const LIBRARY_CLIENT = 'exchange';

/** The library keeps nothing: no session, code or token of its own ever exists. */
class NoStore {
  async find(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async upsert(): Promise<void> {
    throw new Error('the protocol library stores nothing here');
  }
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

export type TokenEndpointOptions = {
  readonly issuer: string;
  /** Answers the exchange on `response`; never throws. */
  readonly answer: (request: IncomingMessage, context: KoaContextWithOIDC) => Promise<void>;
  /** A bug in the library or around it: already answered as `server_error`, told here with its cause. */
  readonly onServerError: (error: Error) => void;
};

export type TokenEndpoint = {
  /** Lets the library answer; `original` is the key under which `answer` finds what the front door read. */
  readonly handle: (original: IncomingMessage, response: ServerResponse, form: Form) => Promise<void>;
};

const createProvider = ({ issuer, onServerError }: TokenEndpointOptions): Provider => {
  // The library wants a key and signs nothing with it.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const provider = new Provider(issuer, {
    adapter: NoStore,
    clients: [
      {
        client_id: LIBRARY_CLIENT,
        token_endpoint_auth_method: 'none',
        grant_types: [TOKEN_EXCHANGE],
        response_types: [],
        redirect_uris: [],
      },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: ['none'],
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
    },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
    responseTypes: ['none'],
    // Without offline_access the library knows no refresh tokens.
    scopes: ['openid'],
  });
  // The library lets the pages of every origin read its answers; agents are no pages.
  provider.use(async (context, next) => {
    await next();
    for (const name of context.res.getHeaderNames())
      if (name.startsWith('access-control-')) context.remove(name);
  });
  provider.on('server_error', (_context, error) => onServerError(error));
  return provider;
};

/**
 * A request of our own making, complete, with just the headers the library needs. The form is read by iterating, as
 * the library does, without the stream's machinery: it is here already.
 */
class InnerRequest extends IncomingMessage {
  readonly #form: Buffer;

  constructor(original: IncomingMessage, host: string, form: Buffer) {
    super(original.socket);
    this.#form = form;
    this.method = 'POST';
    this.url = '/token';
    this.headers = {
      host,
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(form.length),
    };
  }

  override async *iterator(): AsyncGenerator<Buffer, undefined> {
    yield this.#form;
  }
}

/** The library's parameters: its one client, and the grant type that the caller named. */
const innerForm = (form: Form): Buffer => {
  const grantType = form.get('grant_type');
  const named = grantType === undefined ? '' : `&grant_type=${encodeURIComponent(grantType)}`;
  return Buffer.from(`client_id=${LIBRARY_CLIENT}${named}`);
};

export const createTokenEndpoint = (options: TokenEndpointOptions): TokenEndpoint => {
  const originals = new WeakMap<IncomingMessage, IncomingMessage>();
  const provider = createProvider(options);
  provider.registerGrantType(TOKEN_EXCHANGE, async (context) => {
    const original = originals.get(context.req);
    if (original === undefined) throw new errors.InvalidRequest('the request did not come by the front door');
    await options.answer(original, context);
  });
  const callback = provider.callback();
  const { host } = new URL(options.issuer);
  return {
    handle: async (original, response, form) => {
      const inner = new InnerRequest(original, host, innerForm(form));
      originals.set(inner, original);
      await callback(inner, response);
    },
  };
};
