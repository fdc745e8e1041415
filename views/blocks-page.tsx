/** Kill switches: what is closed now, by whom and why, then what was; setting and lifting for those with the role. */
import type { JSX } from 'preact';
import { Moment } from './badges.tsx';
import { BlockAside, type BlockForm, type BlockForms, KIND_NAMES } from './block-forms.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { LivePart } from './live-part.tsx';
import { VisibleText } from './visible-text.tsx';

export type BlockItem = {
  readonly id: string;
  readonly kind: BlockForm['kind'];
  readonly subject: string;
  readonly lasting: boolean;
  readonly reason: string;
  /** A person's name, or what did it. */
  readonly setBy: string;
  readonly setAt: Date;
  readonly sweptAt: Date | null;
  readonly liftedAt: Date | null;
  readonly liftedBy: string | null;
  readonly liftedReason: string | null;
};

export type BlocksModel = {
  /** Those in force first. */
  readonly blocks: readonly BlockItem[];
  readonly now: Date;
  /** Null: this person may only read. */
  readonly forms: BlockForms | null;
};

const nameOf = ({ kind, subject }: BlockItem): string =>
  kind === 'global' ? 'Everything' : `${KIND_NAMES[kind]} ${subject}`;

const standingOf = ({ lasting, sweptAt, liftedAt }: BlockItem): string => {
  if (!lasting) return sweptAt === null ? 'Taking back what was given…' : 'Took back what was given';
  if (liftedAt !== null) return 'Lifted';
  return sweptAt === null ? 'Closed; ending what was given…' : 'Closed; all that was given has ended';
};

const Row = (props: { block: BlockItem; now: Date; mayLift: boolean }): JSX.Element => {
  const { block, now, mayLift } = props;
  const open = block.liftedAt === null;
  return (
    <li class={`row ${open ? 'block' : 'block-over'}`}>
      <div class="row-text">
        <h2>{nameOf(block)}</h2>
        <p class="row-facts">
          <span>
            by <b>{block.setBy}</b>, <Moment time={block.setAt} now={now} />
          </span>
          <span>{standingOf(block)}</span>
        </p>
        <p class="row-reason">
          <VisibleText text={block.reason} />
        </p>
        {block.liftedAt !== null && block.liftedBy !== null && (
          <>
            <p class="row-facts">
              <span>
                lifted by <b>{block.liftedBy}</b>, <Moment time={block.liftedAt} now={now} />
              </span>
            </p>
            <p class="row-reason">
              <VisibleText text={block.liftedReason ?? ''} />
            </p>
          </>
        )}
      </div>
      {open && block.lasting && mayLift && (
        <a href={`/blocks?lift=${encodeURIComponent(block.id)}#lift`} aria-label={`Lift: ${nameOf(block)}`}>
          Lift…
        </a>
      )}
    </li>
  );
};

/** The lists, which htmx refreshes. */
export const Blocks = ({ model }: { model: BlocksModel }): JSX.Element => {
  const rows = (blocks: readonly BlockItem[]) => (
    <ul class="rows">
      {blocks.map((block) => (
        <Row block={block} now={model.now} mayLift={model.forms !== null} />
      ))}
    </ul>
  );
  const open = model.blocks.filter(({ liftedAt }) => liftedAt === null);
  const over = model.blocks.filter(({ liftedAt }) => liftedAt !== null);
  return (
    <>
      {open.length === 0 ? (
        <div class="empty">
          <p class="empty-title">Nothing is closed</p>
          <p>Agents get what policy and people allow.</p>
        </div>
      ) : (
        rows(open)
      )}
      {over.length > 0 && (
        <section aria-labelledby="over">
          <h2 id="over">What was closed or taken back before</h2>
          {rows(over)}
        </section>
      )}
    </>
  );
};

/** How often an open page asks whether anything changed. */
const REFRESH_SECONDS = 4;

export const BlocksPage = (props: { page: PageContext; model: BlocksModel; tag: string }): JSX.Element => {
  const { page, model, tag } = props;
  const { forms } = model;
  const lifted = model.blocks.find(({ id }) => id === forms?.lift?.id);
  return (
    <Layout page={page} title="Kill switches" section="blocks">
      <header class="page-head">
        <h1>Kill switches</h1>
      </header>
      {forms !== null && forms.notice !== null && (
        <p class="notice" role="alert">
          {forms.notice}
        </p>
      )}
      <div class={forms === null ? undefined : 'split'}>
        <LivePart id="blocks" href="/blocks" nonce={page.nonce} tag={tag} everySeconds={REFRESH_SECONDS}>
          <Blocks model={model} />
        </LivePart>
        {forms !== null && <BlockAside forms={forms} lifted={lifted === undefined ? null : nameOf(lifted)} />}
      </div>
    </Layout>
  );
};
