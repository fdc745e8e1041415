/** Every token, the one that lives longest first, with what is left of it; filtered by one form that needs no script. */
import type { JSX } from 'preact';
import { EnvironmentBadge, Moment } from './badges.tsx';
import { FilterField } from './filter-field.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { LivePart } from './live-part.tsx';
import { Scopes } from './scopes.tsx';
import { Lifetime, PhaseBadge, type TokenItem, TokenLink } from './token-parts.tsx';

/** The filters as they were typed. */
export type TokenFilters = {
  readonly jti: string;
  readonly agent: string;
  readonly audience: string;
  readonly request: string;
  readonly state: string;
};

export type TokensModel = {
  readonly filters: TokenFilters;
  /** What is wrong with a filter, by its name. */
  readonly problems: Partial<Readonly<Record<keyof TokenFilters, string>>>;
  readonly phases: readonly string[];
  readonly items: readonly TokenItem[];
  readonly now: Date;
  /** Address of the next page, if there is more. */
  readonly next: string | null;
};

const Filters = ({ model }: { model: TokensModel }): JSX.Element => (
  <form class="filters" method="get" action="/tokens" aria-label="Search tokens">
    <FilterField name="jti" label="Token" placeholder="tok_…" model={model} />
    <FilterField name="agent" label="Agent" placeholder="its id" model={model} />
    <FilterField name="audience" label="API" placeholder="api://…" model={model} />
    <FilterField name="request" label="Request" placeholder="areq_…" model={model} />
    <label>
      State
      <select name="state">
        <option value="">Any</option>
        {model.phases.map((phase) => (
          <option value={phase} selected={phase === model.filters.state}>
            {phase}
          </option>
        ))}
      </select>
      {model.problems.state !== undefined && <small class="problem">{model.problems.state}</small>}
    </label>
    <div class="filter-actions">
      <button type="submit">Search</button>
      <a href="/tokens">Clear</a>
    </div>
  </form>
);

const Row = ({ token, now }: { token: TokenItem; now: Date }): JSX.Element => (
  <li class="row token-row">
    <div class="row-text">
      <h2>
        <a id={`open-${token.jti}`} href={`/tokens/${encodeURIComponent(token.jti)}`}>
          {token.agent} <span class="asks-for">may</span> <Scopes scopes={token.scopes} />{' '}
          <span class="asks-for">on</span> {token.resource}
        </a>
      </h2>
      <p class="row-facts">
        <code>{token.jti}</code>
        <span>
          issued <Moment time={token.issuedAt} now={now} />
        </span>
        {token.successor !== null && (
          <span>
            followed by <TokenLink jti={token.successor} />
          </span>
        )}
        <a class="request-link" href={`/requests/${encodeURIComponent(token.requestId)}`}>
          request
        </a>
      </p>
    </div>
    <div class="row-badges">
      <Lifetime token={token} />
      <PhaseBadge phase={token.phase} />
      {token.environment !== null && <EnvironmentBadge environment={token.environment} />}
    </div>
  </li>
);

const isSearched = (filters: TokenFilters): boolean => Object.values(filters).some((value) => value !== '');

/** The list itself, which htmx refreshes. */
export const Tokens = ({ model }: { model: TokensModel }): JSX.Element => (
  <>
    {model.items.length === 0 ? (
      <div class="empty">
        <p class="empty-title">No tokens</p>
        <p>
          {Object.keys(model.problems).length > 0
            ? 'Correct the search above to look for some.'
            : isSearched(model.filters)
              ? 'None matches this search.'
              : 'None was issued yet.'}
        </p>
      </div>
    ) : (
      <ul class="rows">
        {model.items.map((token) => (
          <Row token={token} now={model.now} />
        ))}
      </ul>
    )}
    {model.next !== null && (
      <p class="more">
        <a href={model.next}>Show more</a>
      </p>
    )}
  </>
);

/** How often an open list asks whether anything changed. */
const REFRESH_SECONDS = 2;

export const TokensPage = (props: {
  page: PageContext;
  model: TokensModel;
  /** Address of this very list. */
  href: string;
  tag: string;
}): JSX.Element => (
  <Layout page={props.page} title="Tokens" section="tokens">
    <header class="page-head">
      <h1>Tokens</h1>
    </header>
    <Filters model={props.model} />
    <LivePart
      id="tokens"
      href={props.href}
      nonce={props.page.nonce}
      tag={props.tag}
      everySeconds={REFRESH_SECONDS}
    >
      <Tokens model={props.model} />
    </LivePart>
  </Layout>
);
