/** One token: what it is for, what is left of it, what came before and after it, and how to take it back. */
import type { JSX } from 'preact';
import { EnvironmentBadge, ExactTime } from './badges.tsx';
import { DeedForm, type DeedModel } from './deed-form.tsx';
import { Layout, type PageContext } from './layout.tsx';
import { LivePart } from './live-part.tsx';
import { Scopes } from './scopes.tsx';
import { Lifetime, PhaseBadge, type TokenItem, TokenLink } from './token-parts.tsx';

export type TokenModel = {
  readonly token: TokenItem;
  readonly grant: {
    readonly id: string;
    /** What is to be said of it, in words. */
    readonly standing: string;
  };
  /** Every token of the grant in order of issue. */
  readonly lineage: readonly TokenItem[];
  /** Null: this person may only read. */
  readonly deed: DeedModel | null;
  /** Said above everything. */
  readonly notice: string | null;
};

const Generation = ({ token, current }: { token: TokenItem; current: boolean }): JSX.Element => (
  <li aria-current={current ? 'true' : undefined}>
    {current ? <code>{token.jti}</code> : <TokenLink jti={token.jti} />}
    <PhaseBadge phase={token.phase} />
    <ExactTime time={token.issuedAt} />
    <Lifetime token={token} />
  </li>
);

/** What changes while one looks at it; the live part of the page. */
export const TokenFacts = ({ model }: { model: TokenModel }): JSX.Element => {
  const { token, grant } = model;
  return (
    <>
      <p class="badges">
        <PhaseBadge phase={token.phase} />
        {token.environment !== null && <EnvironmentBadge environment={token.environment} />}
        <Lifetime token={token} />
      </p>
      <dl class="card">
        <div class="fact">
          <dt>Agent</dt>
          <dd>
            <a href={`/tokens?agent=${encodeURIComponent(token.agentId)}`}>{token.agentId}</a>
          </dd>
        </div>
        <div class="fact">
          <dt>API</dt>
          <dd>
            <a href={`/tokens?audience=${encodeURIComponent(token.audience)}`}>{token.audience}</a>
          </dd>
        </div>
        <div class="fact">
          <dt>Request</dt>
          <dd>
            <a href={`/requests/${encodeURIComponent(token.requestId)}`}>{token.requestId}</a>
          </dd>
        </div>
        <div class="fact">
          <dt>Issued</dt>
          <dd>
            <ExactTime time={token.issuedAt} />
          </dd>
        </div>
        <div class="fact">
          <dt>Expires</dt>
          <dd>
            <ExactTime time={token.expiresAt} />
          </dd>
        </div>
        <div class="fact">
          <dt>Grant</dt>
          <dd>
            <code>{grant.id}</code> {grant.standing}
          </dd>
        </div>
      </dl>
      <section class="card" aria-labelledby="lineage">
        <h2 id="lineage">Tokens of this grant, in order of issue</h2>
        <ol class="lineage">
          {model.lineage.map((other) => (
            <Generation token={other} current={other.jti === token.jti} />
          ))}
        </ol>
      </section>
    </>
  );
};

/** How often an open page asks whether anything changed. */
const REFRESH_SECONDS = 2;

export const TokenPage = (props: { page: PageContext; model: TokenModel; tag: string }): JSX.Element => {
  const { page, model, tag } = props;
  const { token, deed } = model;
  return (
    <Layout page={page} title={`Token ${token.jti}`} section="tokens">
      <p class="crumbs">
        <a href="/tokens">Tokens</a> <span aria-hidden="true">/</span> <code>{token.jti}</code>
      </p>
      {model.notice !== null && (
        <p class="notice" role="alert">
          {model.notice}
        </p>
      )}
      <header class="request-head">
        <h1>
          {token.agent} <span class="asks-for">may</span> <Scopes scopes={token.scopes} />{' '}
          <span class="asks-for">on</span> {token.resource}
        </h1>
      </header>
      <div class={deed === null ? undefined : 'split'}>
        <LivePart
          id="token"
          href={`/tokens/${encodeURIComponent(token.jti)}`}
          nonce={page.nonce}
          tag={tag}
          everySeconds={REFRESH_SECONDS}
        >
          <TokenFacts model={model} />
        </LivePart>
        {deed !== null && (
          <section class="decision split-side" aria-labelledby="take-back">
            <h2 id="take-back">Take it back</h2>
            {deed.buttons.length === 0 ? (
              <p>There is nothing left to take back.</p>
            ) : (
              <>
                <DeedForm id="deed" model={deed} />
                <p class="note">
                  Ending the grant revokes all its tokens, and the agent’s next attempt is denied. Revoking
                  only this token leaves the grant: the agent gets another one when it asks.
                </p>
              </>
            )}
          </section>
        )}
      </div>
    </Layout>
  );
};
