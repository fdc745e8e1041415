/** What the tenant has registered: every application of the lab's world, seen as Entra sees it. */
import { X509Certificate } from 'node:crypto';
import { serviceAccountOf, type World } from '../world.ts';

export type Application = {
  /** Lower-case GUID, the `azp` and `appid` of its tokens. */
  readonly clientId: string;
  /** Its service principal, the `oid` and `sub` of its tokens. */
  readonly objectId: string;
  readonly clientSecret: string;
  /** A certificate it may sign client assertions with. */
  readonly certificate: X509Certificate | null;
  /** The subject of the cluster's tokens that it may sign in with (workload identity federation). */
  readonly federatedSubject: string | null;
  /** App roles granted to it at the broker's registration. */
  readonly roles: readonly string[];
};

export type Registrations = {
  readonly find: (clientId: string) => Application | undefined;
  /** Whether the broker's registration has this reply address, byte for byte. */
  readonly isRedirectUri: (uri: string) => boolean;
  readonly addRedirectUri: (uri: string) => void;
  /** Whether people may be sent there after signing out: a page on the origin of a reply address. */
  readonly isSignedOutUri: (uri: string) => boolean;
};

/** Reads the registrations out of the world; reply addresses can be added later, when ports are known. */
export const openRegistrations = (world: World, redirectUris: readonly string[]): Registrations => {
  const plain = { certificate: null, federatedSubject: null, roles: [] };
  const applications: readonly Application[] = [
    { ...plain, ...world.broker },
    ...world.agents.map(({ id, clientId, objectId, clientSecret, certificate }) => ({
      clientId,
      objectId,
      clientSecret,
      certificate: new X509Certificate(certificate),
      federatedSubject: serviceAccountOf(id),
      roles: [],
    })),
    ...[...world.apis, ...world.services].map((api) => ({ ...plain, ...api })),
    ...world.tools.map((tool) => ({ ...plain, ...tool })),
  ];
  const byClientId = new Map(applications.map((application) => [application.clientId, application]));
  const replies = new Set(redirectUris);
  return {
    find: (clientId) => byClientId.get(clientId.toLowerCase()),
    isRedirectUri: (uri) => replies.has(uri),
    addRedirectUri: (uri) => {
      replies.add(uri);
    },
    isSignedOutUri: (uri) => {
      if (!URL.canParse(uri)) return false;
      const { origin } = new URL(uri);
      return [...replies].some((reply) => new URL(reply).origin === origin);
    },
  };
};
