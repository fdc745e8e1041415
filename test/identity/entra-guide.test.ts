/** docs/entra.md, as far as it can be held to something: what it tells to write is readable, and it leaves no reason out. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { parseTrustedTenants } from '../../src/identity/trusted-tenants.ts';
import { ASSERTION_REASONS } from '../../src/reasons/assertion.ts';
import { WORKLOAD_REASONS } from '../../src/reasons/caller.ts';
import { parseRegistry } from '../../src/registry/registry-file.ts';

const guide = readFileSync(new URL('../../docs/entra.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text ?? '');
const [tenants = '', manifests = '', registry = ''] = blocks('yaml');

describe('the guide to Entra', () => {
  it('tells a list of tenants that the broker takes', () => {
    expect(parseTrustedTenants(tenants)).toMatchObject([
      { requiredRoles: [], issuers: [{ version: '2.0' }] },
    ]);
  });

  it('tells a registry that can be applied', () => {
    const { agents } = parseRegistry([{ name: 'registry.yaml', text: registry }]);
    expect(agents.map(({ id }) => id)).toEqual(['payroll-agent']);
  });

  it('tells manifests in which the pod runs as the annotated service account and has the label', () => {
    const [account, deployment] = parseAllDocuments(manifests).map((document) => document.toJS());
    expect(deployment.spec.template.spec.serviceAccountName).toBe(account.metadata.name);
    expect(deployment.metadata.namespace).toBe(account.metadata.namespace);
    const { labels } = deployment.spec.template.metadata;
    expect(labels).toMatchObject({
      ...deployment.spec.selector.matchLabels,
      'azure.workload.identity/use': 'true',
    });
    expect(guide).toContain(`system:serviceaccount:${account.metadata.namespace}:${account.metadata.name}`);
  });

  it('says of every reason against an assertion what to change', () => {
    const symptoms = guide.slice(guide.indexOf('## 8.'));
    const reasons = [...Object.keys(ASSERTION_REASONS), ...Object.keys(WORKLOAD_REASONS)];
    expect(reasons.filter((reason) => !symptoms.includes(`\`${reason}\``))).toEqual([]);
  });
});
