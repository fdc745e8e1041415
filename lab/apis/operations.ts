/** Operations: restart, deploy, and the one action that no agent should ever be given. */
import { z } from 'zod';
import { type Api, created, found, notFound } from './api.ts';

const releaseBody = z.object({ service: z.string().default('storefront'), version: z.string().optional() });

export const operations: Api = {
  name: 'operations',
  title: 'Operations',
  description: 'Running services, their releases and databases.',
  scopes: {
    'services.restart': 'Restart a running service',
    'release.deploy': 'Deploy a release of a service',
    'database.restore': 'Put a database back to its last backup, over what is in it',
    'database.delete': 'Delete a database with everything in it',
  },
  defaultScopes: [],
  sensitivity: { dev: 'moderate', test: 'moderate', prod: 'critical' },
  open: (environment) => {
    const services = new Map([
      ['storefront', { version: '1.4.0', restarts: 0 }],
      ['search', { version: '2.0.3', restarts: 0 }],
    ]);
    const databases = new Set(['orders', 'sessions']);
    const nextVersion = (version: string): string => {
      const [major = '0', minor = '0'] = version.split('.');
      return `${major}.${Number(minor) + 1}.0`;
    };
    return [
      {
        scope: 'services.restart',
        method: 'POST',
        path: '/services/:name/restart',
        example: '/services/search/restart',
        perform: ({ parameters: { name = '' } }) => {
          const service = services.get(name);
          if (service === undefined) return notFound('such service');
          service.restarts += 1;
          return found({ service: name, environment, ...service });
        },
      },
      {
        scope: 'release.deploy',
        method: 'POST',
        path: '/releases',
        example: '/releases',
        perform: ({ body, token }) => {
          const release = releaseBody.parse(body);
          const service = services.get(release.service);
          if (service === undefined) return notFound('such service');
          const replaced = service.version;
          service.version = release.version ?? nextVersion(replaced);
          return created({
            service: release.service,
            environment,
            version: service.version,
            replaced,
            deployed_by: token.agent,
          });
        },
      },
      {
        scope: 'database.restore',
        method: 'POST',
        path: '/databases/:name/restore',
        example: '/databases/orders/restore',
        perform: ({ parameters: { name = '' } }) =>
          databases.has(name) ? found({ restored: name, environment }) : notFound('such database'),
      },
      {
        scope: 'database.delete',
        method: 'DELETE',
        path: '/databases/:name',
        example: '/databases/orders',
        perform: ({ parameters: { name = '' } }) =>
          databases.delete(name) ? found({ deleted: name, environment }) : notFound('such database'),
      },
    ];
  },
};
