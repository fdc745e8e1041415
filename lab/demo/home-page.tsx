/** The first page: the idea in two sentences, the stories, and the accounts to play them with. */
import type { JSX } from 'preact';
import type { Scenario } from '../scenarios.ts';
import { AccountNamed } from './account-named.tsx';
import { Layout } from './layout.tsx';
import type { Account, Lab } from './story.ts';
import { toneOf } from './tone.ts';

const EXPECTED: Readonly<Record<Scenario['decision'], string>> = {
  permit: 'Policy permits',
  needs_approval: 'A person decides',
  deny: 'Policy denies',
};

/** How long the agent asks for: `requested_expires_in`. Works without scripts, which only tell what is chosen. */
const Lifetime = ({ least, most, usual }: NonNullable<Scenario['kept']>): JSX.Element => (
  <label class="lifetime">
    Asks for{' '}
    <span class="chosen">
      between {least} and {most}
    </span>{' '}
    seconds
    <input type="range" name="seconds" min={least} max={most} step={6} value={usual} />
  </label>
);

const Card = ({ scenario, number }: { scenario: Scenario; number: number }): JSX.Element => (
  <article class={`card ${toneOf(scenario.decision)}`}>
    <p class="eyebrow">
      Story {number} <span class="badge">{EXPECTED[scenario.decision]}</span>
    </p>
    <h2>{scenario.title}</h2>
    <p>{scenario.shows}</p>
    <dl class="facts">
      <dt>Agent</dt>
      <dd>
        <code>{scenario.agent}</code>
      </dd>
      <dt>Action</dt>
      <dd>
        <code>{scenario.scope}</code>
      </dd>
      <dt>API</dt>
      <dd>
        <code>{scenario.audience}</code>
      </dd>
    </dl>
    <form method="post" action={`/stories/${scenario.name}`}>
      {scenario.kept !== undefined && <Lifetime {...scenario.kept} />}
      <button type="submit">Run it</button>
    </form>
  </article>
);

/** What no agent can do, so no story tells it: a person takes back what is in use. */
const KillSwitch = ({ lab, story }: { lab: Lab; story: number }): JSX.Element => (
  <article class="card bad">
    <p class="eyebrow">
      At any time <span class="badge">A person takes it back</span>
    </p>
    <h2>The kill switch</h2>
    <p>
      Start story {story} with a long life. While it runs, close <code>reporting-agent</code>: every token and
      grant of it ends at once, in every process, and its next attempt is refused until somebody lifts it.
    </p>
    <p>
      Sign in as <AccountNamed lab={lab} name="security-admin" />.
    </p>
    <p class="onward">
      <a class="button" href={`${lab.issuer}/blocks`} target="_blank" rel="noreferrer">
        Open the kill switches
      </a>
    </p>
  </article>
);

const Accounts = ({ accounts }: { accounts: readonly Account[] }): JSX.Element => (
  <table>
    <thead>
      <tr>
        <th scope="col">Account</th>
        <th scope="col">Password</th>
        <th scope="col">Roles in Entra</th>
      </tr>
    </thead>
    <tbody>
      {accounts.map(({ username, password, roles }) => (
        <tr>
          <td>
            <code>{username}</code>
          </td>
          <td>
            <code class="secret">{password}</code>
          </td>
          <td>{roles.length === 0 ? 'none' : roles.join(', ')}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

export const HomePage = ({ lab, scenarios }: { lab: Lab; scenarios: readonly Scenario[] }): JSX.Element => (
  <Layout title="Three agents, three answers">
    <section class="intro">
      <h1>Three agents, three answers</h1>
      <p>
        None of these agents holds a key to any API. Each asks the broker for one action on one API, and
        proves who it is with its Entra identity; policy permits, denies, or has a person countersign. What
        comes back is a token for seconds, and a trail of everything that led to it.
      </p>
    </section>
    <div class="cards">
      {scenarios.map((scenario, index) => (
        <Card scenario={scenario} number={index + 1} />
      ))}
      <KillSwitch lab={lab} story={scenarios.findIndex(({ kept }) => kept !== undefined) + 1} />
    </div>
    <section>
      <h2>Who you can be</h2>
      <p>
        Sign in to the <a href={lab.issuer}>console</a> as any of these. The owner has every approver's role
        and still may not approve: nobody countersigns for an agent of their own.
      </p>
      <Accounts accounts={lab.accounts} />
    </section>
  </Layout>
);
