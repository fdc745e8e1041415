/** Kill switches: what is closed now, by whom and why, then what was; setting and lifting for those with the role. */
import type { JSX } from 'preact';
import { Moment } from './badges.tsx';
import { DeedForm, type DeedModel } from './deed-form.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { LivePart } from './live-part.tsx';

type Kind = 'agent' | 'audience' | 'environment' | 'global';

export type BlockItem = {
  readonly id: string;
  readonly kind: Kind;
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

/** The form as it was sent. */
export type BlockForm = { readonly kind: Kind; readonly subject: string; readonly lasting: boolean };

export type BlocksModel = {
  /** Those in force first. */
  readonly blocks: readonly BlockItem[];
  readonly now: Date;
  /** Null: this person may only read. */
  readonly forms: {
    readonly typed: BlockForm;
    /** Ids to choose from. */
    readonly subjects: readonly string[];
    /** What has to be typed to close everything. */
    readonly confirmation: string;
    readonly one: DeedModel;
    readonly global: DeedModel;
    /** The one that is about to be lifted. */
    readonly lift: { readonly id: string; readonly deed: DeedModel } | null;
    readonly notice: string | null;
  } | null;
};

const KINDS = { agent: 'Agent', audience: 'API', environment: 'Environment' } as const;

const nameOf = ({ kind, subject }: BlockItem): string =>
  kind === 'global' ? 'Everything' : `${KINDS[kind]} ${subject}`;

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
        <p class="row-reason">{block.reason}</p>
        {block.liftedAt !== null && block.liftedBy !== null && (
          <>
            <p class="row-facts">
              <span>
                lifted by <b>{block.liftedBy}</b>, <Moment time={block.liftedAt} now={now} />
              </span>
            </p>
            <p class="row-reason">{block.liftedReason}</p>
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
          <h2 id="over">What was closed before</h2>
          {rows(over)}
        </section>
      )}
    </>
  );
};

type Forms = NonNullable<BlocksModel['forms']>;

const Lasting = ({ typed }: { typed: BlockForm }): JSX.Element => (
  <fieldset>
    <legend class="hidden">For how long</legend>
    <label>
      <input type="radio" name="lasting" value="yes" checked={typed.lasting} /> Keep closed until somebody
      lifts it
    </label>
    <label>
      <input type="radio" name="lasting" value="no" checked={!typed.lasting} /> Only take back what was given
      until now
    </label>
  </fieldset>
);

const CloseOne = ({ forms }: { forms: Forms }): JSX.Element => (
  <DeedForm id="one" model={forms.one}>
    <label>
      What
      <select name="kind">
        {Object.entries(KINDS).map(([kind, name]) => (
          <option value={kind} selected={kind === forms.typed.kind}>
            {name}
          </option>
        ))}
      </select>
    </label>
    <label>
      Which
      <input
        type="text"
        name="subject"
        required
        list="subjects"
        autocomplete="off"
        spellcheck={false}
        placeholder="agent’s id, api://… or prod"
        value={forms.typed.subject}
      />
    </label>
    <datalist id="subjects">
      {forms.subjects.map((subject) => (
        <option value={subject} />
      ))}
    </datalist>
    <Lasting typed={forms.typed} />
  </DeedForm>
);

const CloseAll = ({ forms }: { forms: Forms }): JSX.Element => (
  <details class="all-closed" open={forms.global.problem !== null}>
    <summary>Close everything</summary>
    <DeedForm id="global" model={forms.global}>
      <p>No agent gets a token for anything, and every token and grant there is ends now.</p>
      <input type="hidden" name="kind" value="global" />
      <Lasting typed={forms.typed} />
      <label>
        Type “{forms.confirmation}”
        <input type="text" name="confirmation" required autocomplete="off" spellcheck={false} />
      </label>
    </DeedForm>
  </details>
);

const Lift = ({ block, deed }: { block: BlockItem; deed: DeedModel }): JSX.Element => (
  <section class="decision" id="lift" aria-labelledby="lift-title">
    <h2 id="lift-title">Lift: {nameOf(block)}</h2>
    <p>What it ended stays ended; agents can ask anew.</p>
    <DeedForm id="lift" model={deed} />
    <p>
      <a href="/blocks">Leave it closed</a>
    </p>
  </section>
);

const Side = ({ model, forms }: { model: BlocksModel; forms: Forms }): JSX.Element => {
  const lifted = model.blocks.find(({ id }) => id === forms.lift?.id);
  return (
    <div class="split-side">
      {forms.lift !== null && lifted !== undefined ? (
        <Lift block={lifted} deed={forms.lift.deed} />
      ) : (
        <section class="decision" aria-labelledby="close">
          <h2 id="close">Close something</h2>
          <CloseOne forms={forms} />
          <CloseAll forms={forms} />
        </section>
      )}
    </div>
  );
};

/** How often an open page asks whether anything changed. */
const REFRESH_SECONDS = 4;

export const BlocksPage = (props: { page: PageContext; model: BlocksModel; tag: string }): JSX.Element => {
  const { page, model, tag } = props;
  const { forms } = model;
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
        {forms !== null && <Side model={model} forms={forms} />}
      </div>
    </Layout>
  );
};
