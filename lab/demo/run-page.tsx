/** One run of a story: what the agent does on the left, what the broker has on record on the right, both live. */
import type { JSX } from 'preact';
import type { Run } from '../agents/run.ts';
import { AccountNamed } from './account-named.tsx';
import { Layout } from './layout.tsx';
import type { Lab, Story } from './story.ts';
import { TokenLine } from './token-line.tsx';
import { toneOf } from './tone.ts';
import type { Trace } from './trace.ts';

const REFRESH_SECONDS = 1;
/** Without scripts the whole page is loaded again, at a pace that can be read at. */
const RELOAD_SECONDS = 3;

const time = (at: Date): string => at.toISOString().slice(11, 23);

const HEADLINES: Readonly<Record<Run['state'], string>> = {
  running: 'The agent is at work',
  waiting: 'Waiting for a person',
  done: 'Done: the API did what was asked',
  refused: 'Refused: the agent got no token',
  failed: 'This did not work',
};

const headlineOf = ({ state, token, answer }: Run): string => {
  if (state !== 'refused' || token === null) return HEADLINES[state];
  return answer?.status === 401 || answer?.status === 403
    ? 'Refused: the API did not let the agent in'
    : 'Taken back: the agent gets no further token';
};

/** What the reader has to do now, when the story waits for a person. */
const YourTurn = ({ lab, run }: { lab: Lab; run: Run }): JSX.Element => (
  <section class="your-turn">
    <h2>Your turn</h2>
    <ol>
      <li>
        <a class="button" href={`${lab.issuer}/approvals/${run.request_id}`} target="_blank" rel="noreferrer">
          Open the approval page
        </a>
      </li>
      <li>
        Sign in as <AccountNamed lab={lab} name="approver" />
      </li>
      <li>Read what is asked, write a reason, and approve or deny.</li>
    </ol>
    <p class="note">
      This page goes on by itself. To see that an owner may not approve for their own agent, sign in as{' '}
      <AccountNamed lab={lab} name="owner" /> first.
    </p>
  </section>
);

/** What a reader who wants to try once more has to know, when a person said no. */
const HeldDenial = ({ lab, run }: { lab: Lab; run: Run }): JSX.Element => (
  <section class="your-turn">
    <h2>A person’s denial holds</h2>
    <p>
      However often the agent asks, and whatever it says, it is refused as long as the rule lets a denial
      hold: the{' '}
      <a href={`${lab.issuer}/approvals/${run.request_id}`} target="_blank" rel="noreferrer">
        page of the request
      </a>{' '}
      says until when. There an approver lifts it before, as <AccountNamed lab={lab} name="approver" />; so
      does an operator in its trace.
    </p>
  </section>
);

const Steps = ({ run }: { run: Run }): JSX.Element => (
  <section>
    <h2>What the agent does</h2>
    <ol class="steps">
      {run.steps.map((step) => (
        <li class={toneOf(step.name)}>
          <time dateTime={step.at}>{time(new Date(step.at))}</time>
          <p>
            {step.text}
            {step.name === 'waiting' && run.repeats > 0 && (
              <span class="count"> Repeated {run.repeats === 1 ? 'once' : `${run.repeats} times`}.</span>
            )}
          </p>
        </li>
      ))}
    </ol>
  </section>
);

/** What was asked on the way, each with its trace. */
const Before = ({ run, lab }: { run: Run; lab: Lab }): JSX.Element | null =>
  run.before.length === 0 ? null : (
    <p class="note">
      Traces of what was asked on the way:{' '}
      {run.before.map(({ audience, scope, request_id }) => (
        <span class="fact">
          {request_id === null ? audience : <a href={`${lab.issuer}/requests/${request_id}`}>{audience}</a>}{' '}
          {scope}
        </span>
      ))}
    </p>
  );

const TraceList = ({
  trace,
  requestId,
  lab,
}: {
  trace: Trace;
  requestId: string | null;
  lab: Lab;
}): JSX.Element => (
  <section>
    <h2>What the broker has on record</h2>
    {trace.problem !== null && <p class="note">The trace cannot be read now: {trace.problem}.</p>}
    <ol class="steps">
      {trace.events.map((event) => (
        <li class={toneOf(event.refused ? 'refused' : event.name)}>
          <time dateTime={event.at.toISOString()}>{time(event.at)}</time>
          <p>
            <code>{event.name}</code> {event.words}{' '}
            {event.facts.map(({ name, value }) => (
              <span class="fact">
                {name}: <b>{value}</b>
              </span>
            ))}
          </p>
        </li>
      ))}
    </ol>
    {requestId !== null && (
      <p class="note">
        The same trace <a href={`${lab.issuer}/requests/${requestId}`}>in the console</a>, for{' '}
        <AccountNamed lab={lab} name="auditor" />
      </p>
    )}
  </section>
);

/** The request of an agent that was called, made in its own name to do what was asked. */
const otherRequest = ({ answer }: Run): string | null => {
  const body = answer?.body;
  if (typeof body !== 'object' || body === null || !('request_id' in body)) return null;
  return typeof body.request_id === 'string' ? body.request_id : null;
};

const Outcome = ({ run, lab }: { run: Run; lab: Lab }): JSX.Element | null => {
  if (run.token === null) return null;
  const other = otherRequest(run);
  return (
    <section class="columns">
      <div>
        <h2>What the token says</h2>
        <pre>{JSON.stringify(run.token, null, 2)}</pre>
      </div>
      {run.answer !== null && (
        <div>
          <h2>What the API answered: {run.answer.status}</h2>
          <pre>{JSON.stringify(run.answer.body, null, 2)}</pre>
          {other !== null && (
            <p class="note">
              The agent that was called asked the broker in its own name: its request has{' '}
              <a href={`${lab.issuer}/requests/${other}`}>a trace of its own</a>.
            </p>
          )}
        </div>
      )}
    </section>
  );
};

/** The part that refreshes itself while the story goes on; also answered alone. */
export const LiveStory = ({ story, lab }: { story: Story; lab: Lab }): JSX.Element => {
  const { run, trace, scenario, next, live } = story;
  const refresh = live
    ? {
        'hx-get': `/stories/${scenario.name}/${run.id}`,
        'hx-trigger': `every ${REFRESH_SECONDS}s`,
        'hx-swap': 'outerMorph',
      }
    : {};
  return (
    <div id="story" class={toneOf(run.state)} {...refresh}>
      <p class="headline" role="status">
        {headlineOf(run)}
      </p>
      {run.state === 'waiting' && run.request_id !== null && <YourTurn lab={lab} run={run} />}
      {run.state === 'refused' && trace.denied && <HeldDenial lab={lab} run={run} />}
      <div class="columns">
        <Steps run={run} />
        <TraceList trace={trace} requestId={run.request_id} lab={lab} />
      </div>
      <Before run={run} lab={lab} />
      {scenario.kept !== undefined && (
        <TokenLine tokens={run.tokens} revoked={run.state === 'refused'} now={Date.now()} />
      )}
      <Outcome run={run} lab={lab} />
      {!live && (
        <nav class="onward">
          <form method="post" action={`/stories/${scenario.name}`}>
            <button type="submit" class="secondary">
              Run it again
            </button>
          </form>
          {next === null ? (
            <a href="/">Back to the stories</a>
          ) : (
            <form method="post" action={`/stories/${next.name}`}>
              <button type="submit">Next: {next.title}</button>
            </form>
          )}
        </nav>
      )}
    </div>
  );
};

export const RunPage = ({ story, lab }: { story: Story; lab: Lab }): JSX.Element => (
  <Layout title={story.scenario.title} reloadSeconds={story.live ? RELOAD_SECONDS : null}>
    <section class="intro">
      <h1>{story.scenario.title}</h1>
      <p>{story.scenario.shows}</p>
      <blockquote>
        <p>{story.scenario.justification}</p>
        <footer>
          <code>{story.scenario.agent}</code> asks for <code>{story.scenario.scope}</code> on{' '}
          <code>{story.scenario.audience}</code>. These are its own words; policy never sees them.
        </footer>
      </blockquote>
    </section>
    <LiveStory story={story} lab={lab} />
  </Layout>
);
