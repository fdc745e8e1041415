/**
 * What oidc-provider makes of a form sent to `/token`, and nothing else: whether it is an exchange, or which refusal it
 * is. The library sees a request made here from what the front door read strictly: the grant type and one constant
 * public client, the pinned host, no header of the caller and not its connection. The exchange itself comes after: what
 * waits for the database then holds nothing of the library, whose errors would drop extra members besides.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Provider } from 'oidc-provider';
import type { Form } from '../http/form.ts';
import type { FormReason } from '../reasons/form.ts';

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
  /** A bug in the library or around it: refused as `server_error`, told here with its cause. */
  readonly onServerError: (error: Error) => void;
};

/** What the library answers to a form that it does not let in. */
export type LibraryRefusal = {
  readonly status: number;
  readonly body: object;
  /** What the sender did wrong; null: nothing, the library failed. */
  readonly reason: FormReason | null;
};

export type TokenEndpoint = {
  /** Null: the library lets the form in as a token exchange. */
  readonly refusalOf: (form: Form) => Promise<LibraryRefusal | null>;
};

/** By the library's errors. Of all that it judges, only the grant type is the sender's. */
const REASONS: ReadonlyMap<unknown, FormReason> = new Map([
  ['invalid_request', 'grant_type_missing'],
  ['unsupported_grant_type', 'grant_type_unsupported'],
]);

/** Of no connection: what is the caller's stays out of the library. */
const NO_SOCKET = new Socket();

/**
 * A request of our own making, complete, with just the headers the library needs. The form is read by iterating, as
 * the library does, without the stream's machinery: it is here already.
 */
class InnerRequest extends IncomingMessage {
  /** The library's verdict; undefined until there is one, null when it let the request in. */
  refusal: LibraryRefusal | null | undefined;
  readonly #form: Buffer;

  constructor(host: string, form: Buffer) {
    super(NO_SOCKET);
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

/** Never written to: verdicts are taken from the library before it would. */
class InnerResponse extends ServerResponse {
  override readonly finished = true;
}

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
  provider.registerGrantType(TOKEN_EXCHANGE, async ({ req }) => {
    if (req instanceof InnerRequest) req.refusal = null;
  });
  provider.use(async (context, next) => {
    await next();
    const { req, status } = context;
    if (!(req instanceof InnerRequest) || req.refusal === null) return;
    const body = Object(context.body);
    req.refusal = { status, body, reason: REASONS.get(body.error) ?? null };
  });
  provider.on('server_error', (_context, error) => onServerError(error));
  return provider;
};

/** The library's parameters: its one client, and the grant type that the caller named. */
const innerForm = (form: Form): Buffer => {
  const grantType = form.get('grant_type');
  const named = grantType === undefined ? '' : `&grant_type=${encodeURIComponent(grantType)}`;
  return Buffer.from(`client_id=${LIBRARY_CLIENT}${named}`);
};

/** The protocol library, ready to judge forms. */
export const createTokenEndpoint = (options: TokenEndpointOptions): TokenEndpoint => {
  const callback = createProvider(options).callback();
  const { host } = new URL(options.issuer);
  return {
    refusalOf: async (form) => {
      const request = new InnerRequest(host, innerForm(form));
      await callback(request, new InnerResponse(request));
      if (request.refusal === undefined) throw new Error('the protocol library gave no verdict');
      return request.refusal;
    },
  };
};
