/** Kill switches as pages and tools read them. */
import type { BlockItem } from '../../views/blocks-page.tsx';
import type { Block } from '../access/blocks.ts';
import type { JsonObject } from '../audit/event.ts';
import type { Principal } from '../registry/registry.ts';
import { type Names, personOf } from './people.ts';

/** Everybody whom these blocks name, for one look at their names. */
export const peopleOf = (blocks: readonly Block[]): Principal[] =>
  blocks.flatMap(({ setBy, liftedBy }) => [setBy, liftedBy ?? ''].flatMap((by) => personOf(by) ?? []));

const nameOf = (by: string, names: Names): string => {
  const person = personOf(by);
  return person === null ? by : (names(person) ?? by);
};

export const blockItem = (block: Block, names: Names): BlockItem => ({
  ...block,
  setBy: nameOf(block.setBy, names),
  liftedBy: block.liftedBy === null ? null : nameOf(block.liftedBy, names),
});

const timeOf = (time: Date | null): string | null => time?.toISOString() ?? null;

/** In the spelling of the wire. */
export const blockJson = (block: Block): JsonObject => ({
  id: block.id,
  kind: block.kind,
  subject: block.subject,
  lasting: block.lasting,
  reason: block.reason,
  set_by: block.setBy,
  set_at: block.setAt.toISOString(),
  swept_at: timeOf(block.sweptAt),
  lifted_at: timeOf(block.liftedAt),
  lifted_by: block.liftedBy,
  lifted_reason: block.liftedReason,
});
