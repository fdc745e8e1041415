/** Why somebody was refused, in words beside the code, and how many more equal refusals one event stands for. */
import type { JSX } from 'preact';

export type RefusalModel = {
  readonly code: string;
  /** What happened. */
  readonly meaning: string;
  /** What to do about it. */
  readonly advice: string;
  /** What whoever was refused got to see, such as `400 invalid_scope`. */
  readonly seen: string;
};

export type RepeatsModel = {
  readonly count: number;
  readonly since: Date;
  readonly until: Date;
  /** They have no more in common than their source and their reason. */
  readonly varied: boolean;
};

export const reasonHref = (code: string): string => `/reasons#${code}`;

const time = (moment: Date): string => moment.toISOString().slice(11, 19);

const Repeats = ({ repeats }: { repeats: RepeatsModel }): JSX.Element => (
  <p class="why-repeats">
    <b class="badge">
      {repeats.count.toLocaleString('en')} {repeats.count === 1 ? 'time' : 'times'} more
    </b>{' '}
    from <time dateTime={repeats.since.toISOString()}>{time(repeats.since)}</time> to{' '}
    <time dateTime={repeats.until.toISOString()}>{time(repeats.until)}</time>
    {repeats.varied && ', each time something else, for the same reason'}
  </p>
);

export const RefusalNote = (props: {
  refusal: RefusalModel | null;
  repeats: RepeatsModel | null;
  /** The same page gives the advice elsewhere. */
  brief?: boolean;
}): JSX.Element | null => {
  const { refusal, repeats, brief = false } = props;
  if (refusal === null && repeats === null) return null;
  return (
    <div class="why">
      {refusal !== null && (
        <>
          <p class="why-meaning">
            <a class="why-code" href={reasonHref(refusal.code)}>
              <code>{refusal.code}</code>
            </a>{' '}
            {refusal.meaning}
          </p>
          {!brief && (
            <p class="why-advice">
              {refusal.advice} The caller saw <span class="why-seen">{refusal.seen}</span>.
            </p>
          )}
        </>
      )}
      {repeats !== null && <Repeats repeats={repeats} />}
    </div>
  );
};
