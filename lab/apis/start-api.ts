/**
 * One API of the lab as a server: each environment under its own path, with its own audience and data, all behind the
 * same middleware that any API of a real estate would use. Uses are reported with the API's own Entra credential.
 */
import Router, { type RouterContext } from '@koa/router';
import Koa from 'koa';
import { z } from 'zod';
import {
  accessTokenOf,
  createUseReporter,
  createVerifier,
  describeResource,
  followRevocations,
  protectKoa,
} from '../../src/resource-server/index.ts';
import { BodyInvalid, readJson, serve, type WebServer } from '../web-server.ts';
import type { Api, Environment } from './api.ts';

export type ApiOptions = {
  readonly port: number;
  /** The broker. */
  readonly issuer: string;
  /** What the API is called and how it proves itself, in each environment that it serves. */
  readonly environments: readonly {
    readonly environment: Environment;
    readonly audience: string;
    /** Where callers reach it. */
    readonly resource: string;
    readonly credential: () => Promise<string>;
  }[];
  /** A line for the lab's terminal when uses cannot be reported, or revocations not be read. */
  readonly onProblem: (problem: string) => void;
};

/** Starts `api`; closing it delivers the uses that are not yet reported. */
export const startApi = async (api: Api, options: ApiOptions): Promise<WebServer> => {
  const app = new Koa();
  app.use(async (context, next) => {
    context.set('cache-control', 'no-store');
    try {
      await next();
    } catch (error) {
      if (!(error instanceof BodyInvalid) && !(error instanceof z.ZodError)) throw error;
      context.status = 400;
      context.body = {
        error: 'invalid_request',
        error_description: 'the body is not what this action takes',
      };
    }
  });

  const router = new Router();
  router.get('/', (context) => {
    context.body = { lab: `${api.title}, an API of the Countersign lab`, scopes: api.scopes };
  });
  const revocations = followRevocations({ issuer: options.issuer, onProblem: options.onProblem });
  const reporters = options.environments.map(({ environment, audience, resource, credential }) => {
    const { issuer } = options;
    const metadata = describeResource({
      resource,
      issuer,
      audience,
      scopes: Object.keys(api.scopes),
      name: `${api.title} (${environment})`,
      acceptsProofs: true,
    });
    app.use(async (context, next) => {
      if (!metadata.serve(context.req, context.res)) await next();
    });
    const verifier = createVerifier({
      issuer,
      audience,
      url: new URL(resource).origin,
      resourceMetadata: metadata.url,
      revocations,
    });
    const uses = createUseReporter({ issuer, credential, onProblem: options.onProblem });
    for (const { method, path, scope, perform } of api.open(environment)) {
      router.register(
        `/${environment}${path}`,
        [method],
        [
          protectKoa({ verifier, uses, scope }),
          async (context: RouterContext) => {
            const { status, body } = perform({
              parameters: context.params,
              body: await readJson(context.req),
              token: accessTokenOf(context.req),
            });
            context.status = status;
            context.body = body;
          },
        ],
      );
    }
    return uses;
  });
  app.use(router.routes()).use(router.allowedMethods());

  const server = await serve(app, options.port);
  return {
    url: server.url,
    close: async () => {
      await server.close();
      revocations.close();
      await Promise.all(reporters.map((uses) => uses.stop()));
    },
  };
};
