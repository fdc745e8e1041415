/**
 * What no Entra would do: sign anything for anyone, fail on request, hand out pods' identities, tell who called. This is
 * why the stand-in listens on loopback only. A page in a browser cannot reach these calls: they take JSON only.
 */
import { Router, type RouterContext } from '@koa/router';
import { z } from 'zod';
import { clusterKeys, clusterMetadata, FEDERATION_AUDIENCE } from './cluster.ts';
import { FAULTS, type Faults } from './faults.ts';
import type { History } from './history.ts';
import { signCompact } from './jws.ts';
import { readJson } from './request-body.ts';
import type { SigningKey } from './signing-keys.ts';
import type { Tenant } from './tenant.ts';

const part = z.union([z.string(), z.record(z.string(), z.unknown())]);
const signRequest = z.strictObject({
  header: part,
  payload: part,
  key: z.enum(['current', 'next', 'foreign']),
  secret: z.string().optional(),
});
const DAY_SECONDS = 86_400;
const faultRequest = z.strictObject({
  fault: z.enum(FAULTS),
  seconds: z.number().positive().max(DAY_SECONDS).optional(),
});
const serviceAccountRequest = z.strictObject({
  agent: z.string(),
  audience: z.string().default(FEDERATION_AUDIENCE),
});

/** Reads a JSON body of this shape; answers 400 with what is wrong and gives undefined when it is not. */
const readBody = async <Shape>(ctx: RouterContext, shape: z.ZodType<Shape>): Promise<Shape | undefined> => {
  if (!ctx.is('application/json')) {
    ctx.status = 415;
    ctx.body = { error: 'send application/json' };
    return undefined;
  }
  try {
    return shape.parse(await readJson(ctx.req));
  } catch (error) {
    ctx.status = 400;
    ctx.body = { error: error instanceof z.ZodError ? z.prettifyError(error) : String(error) };
    return undefined;
  }
};

const textOf = (value: string | Readonly<Record<string, unknown>>): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

const keyNamed = (tenant: Tenant, faults: Faults, name: 'current' | 'next' | 'foreign'): SigningKey => {
  if (name === 'current') return tenant.keys.current();
  if (name === 'foreign') return tenant.keys.foreign;
  return faults.inForce() === 'keys_weak' ? tenant.keys.weak : tenant.keys.next;
};

const sign = async (ctx: RouterContext, tenant: Tenant, faults: Faults): Promise<void> => {
  const body = await readBody(ctx, signRequest);
  if (body === undefined) return;
  const key = keyNamed(tenant, faults, body.key);
  try {
    const by = { key: key.privateKey, secret: body.secret };
    ctx.body = { token: signCompact(textOf(body.header), textOf(body.payload), by), kid: key.published.kid };
  } catch (error) {
    // A secret that is missing, or a digest that is too long for the weak key.
    ctx.status = 400;
    ctx.body = { error: String(error) };
  }
};

const setFault = async (ctx: RouterContext, tenant: Tenant, faults: Faults): Promise<void> => {
  const body = await readBody(ctx, faultRequest);
  if (body === undefined) return;
  if (body.fault === 'keys_rolled') await tenant.keys.roll();
  else faults.set(body.fault, body.seconds);
  ctx.body = { fault: faults.inForce() };
};

const issueServiceAccountToken = async (ctx: RouterContext, tenant: Tenant): Promise<void> => {
  const body = await readBody(ctx, serviceAccountRequest);
  if (body === undefined) return;
  if (tenant.world.agents.some((agent) => agent.id === body.agent)) {
    ctx.body = { token: tenant.cluster.issue(body.agent, body.audience, new Date()) };
    return;
  }
  ctx.status = 404;
  ctx.body = { error: 'no agent of the lab has this id' };
};

/** The management routes, and the discovery of the cluster that is managed here too. */
export const createManagementRoutes = (tenant: Tenant, faults: Faults, history: History): Router => {
  const router = new Router();
  router.post('/lab/sign', (ctx) => sign(ctx, tenant, faults));
  router.post('/lab/faults', (ctx) => setFault(ctx, tenant, faults));
  router.delete('/lab/faults', (ctx) => {
    faults.lift();
    ctx.body = { fault: null };
  });
  router.get('/lab/history', (ctx) => {
    ctx.body = history.entries();
  });
  router.post('/lab/service-account-token', (ctx) => issueServiceAccountToken(ctx, tenant));
  const { pathname } = new URL(tenant.cluster.issuer);
  router.get(`${pathname}/.well-known/openid-configuration`, (ctx) => {
    ctx.body = clusterMetadata(tenant.cluster);
  });
  router.get(`${pathname}/openid/v1/jwks`, (ctx) => {
    ctx.body = clusterKeys(tenant.cluster);
  });
  return router;
};
