/**
 * What applying a document changes. What is in force afterwards is the document, and everything that was ever
 * registered besides, disabled: requests, grants and events go on meaning something.
 */
import type { JsonValue } from '../audit/event.ts';
import { canonicalJson } from '../canonical-json.ts';
import { checkWorkloads, type Located } from './references.ts';
import {
  type AgentEntry,
  inOneOrder,
  type PersonEntry,
  type RegistryDocument,
  type ResourceEntry,
} from './registry-schema.ts';

/** One field of an entry, by its name in the file; null: not set. */
export type FieldChange = { readonly field: string; readonly from: JsonValue; readonly to: JsonValue };

export type RegistryChange = {
  readonly entry: 'agent' | 'resource' | 'person';
  /** The agent's or the person's id or the resource's audience. */
  readonly id: string;
  readonly change: 'added' | 'changed' | 'disabled';
  /** Whether it is disabled because the files no longer name it. */
  readonly missing: boolean;
  /** Sorted by field. */
  readonly fields: readonly FieldChange[];
};

export type RegistryDiff = {
  /** What would be in force, entries that are missing included. */
  readonly effective: RegistryDocument;
  /** Agents first, people last, each by id; empty: nothing would change. */
  readonly changes: readonly RegistryChange[];
  /** How many entries stay as they are. */
  readonly unchanged: number;
};

type Entry = AgentEntry | ResourceEntry;

const keyOf = (entry: Entry): string => ('id' in entry ? entry.id : entry.audience);

const byKey = <T extends Entry>(entries: readonly T[]): ReadonlyMap<string, T> =>
  new Map(entries.map((entry) => [keyOf(entry), entry]));

/** `next`, and of `current` what `next` does not name, disabled. */
const withKept = <T extends Entry>(current: readonly T[], next: readonly T[]): T[] => {
  const named = byKey(next);
  const kept = current.filter((entry) => !named.has(keyOf(entry)));
  return [...next, ...kept.map((entry) => ({ ...entry, enabled: false }))];
};

const fieldChanges = (from: object | undefined, to: object): FieldChange[] => {
  const before = new Map<string, JsonValue>(Object.entries(from ?? {}) as [string, JsonValue][]);
  const after = new Map<string, JsonValue>(Object.entries(to) as [string, JsonValue][]);
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .map((field) => ({ field, from: before.get(field) ?? null, to: after.get(field) ?? null }))
    .filter((change) => canonicalJson(change.from) !== canonicalJson(change.to));
};

const changesOf = <T extends Entry>(
  entry: RegistryChange['entry'],
  sides: { readonly current: readonly T[]; readonly next: readonly T[]; readonly effective: readonly T[] },
): RegistryChange[] => {
  const current = byKey(sides.current);
  const named = byKey(sides.next);
  return sides.effective.flatMap((to) => {
    const id = keyOf(to);
    const from = current.get(id);
    const fields = fieldChanges(from, to);
    if (fields.length === 0) return [];
    const change = from === undefined ? 'added' : from.enabled && !to.enabled ? 'disabled' : 'changed';
    return [{ entry, id, change, missing: !named.has(id), fields }];
  });
};

/** People have no history of their own: an entry that is not named any more is gone. */
const peopleChanges = (
  current: readonly PersonEntry[],
  next: readonly PersonEntry[],
): { readonly changes: RegistryChange[]; readonly unchanged: number } => {
  const before = new Map(current.map((person) => [person.id, person]));
  const after = new Map(next.map((person) => [person.id, person]));
  const changes = [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((id): RegistryChange[] => {
    const [from, to] = [before.get(id), after.get(id)];
    const fields = fieldChanges(from, to ?? {});
    if (fields.length === 0) return [];
    const change = from === undefined ? 'added' : to === undefined ? 'disabled' : 'changed';
    return [{ entry: 'person', id, change, missing: to === undefined, fields }];
  });
  return { changes, unchanged: next.length - changes.filter(({ missing }) => !missing).length };
};

/** Compares what is in force with what `next` would put in force. Pure; both documents are in one order. */
export const diffRegistry = (current: RegistryDocument, next: RegistryDocument): RegistryDiff => {
  const effective = inOneOrder({
    version: next.version,
    agents: withKept(current.agents, next.agents),
    resources: withKept(current.resources, next.resources),
    ...(next.people && { people: next.people }),
  });
  const people = peopleChanges(current.people ?? [], effective.people ?? []);
  const changes = [
    ...changesOf('agent', { current: current.agents, next: next.agents, effective: effective.agents }),
    ...changesOf('resource', {
      current: current.resources,
      next: next.resources,
      effective: effective.resources,
    }),
  ];
  return {
    effective,
    changes: [...changes, ...people.changes],
    unchanged: effective.agents.length + effective.resources.length - changes.length + people.unchanged,
  };
};

/**
 * Problems between the files and the entries that they no longer name, one line each. A workload stays with the
 * agent it was first registered as: under another id it would shed the denials that hold against it.
 */
export const checkKept = (next: RegistryDocument, effective: RegistryDocument): string[] => {
  const named = byKey(next.agents);
  const located = <T extends Entry>(entry: T): Located<T> => ({
    entry,
    at: (path) => [keyOf(entry), ...path].join(' '),
  });
  const kept = effective.agents.filter((agent) => !named.has(agent.id));
  return checkWorkloads({
    agents: [...kept, ...next.agents].map(located),
    resources: effective.resources.map(located),
  }).map((problem) => `${problem} (what the files no longer name stays registered, disabled: keep its id)`);
};
