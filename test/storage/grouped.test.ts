import { describe, expect, it } from 'vitest';
import { DatabaseUnavailable } from '../../src/storage/database.ts';
import { grouped } from '../../src/storage/grouped.ts';

/** A statement that the test ends by hand: `groups` has every group it was run with. */
const heldStatement = () => {
  const groups: { readonly calls: readonly string[]; readonly end: PromiseWithResolvers<string[]> }[] = [];
  const run = (calls: readonly string[]): Promise<string[]> => {
    const end = Promise.withResolvers<string[]>();
    groups.push({ calls, end });
    return end.promise;
  };
  const answer = (index: number) => {
    const group = groups[index];
    group?.end.resolve(group.calls.map((call) => call.toUpperCase()));
  };
  const fail = (index: number, error: Error) => groups[index]?.end.reject(error);
  return { groups, run, answer, fail, calls: () => groups.map(({ calls }) => calls) };
};

const turn = () => new Promise((resolve) => setImmediate(resolve));
const outcomeOf = (call: Promise<string>) => call.catch((error: Error) => error.message);

describe('calls that are made together', () => {
  it('share one statement in a turn, and each gets its own result', async () => {
    const { run, answer, calls } = heldStatement();
    const ask = grouped({ run });
    const answers = Promise.all([ask('a'), ask('b'), ask('c')]);
    await turn();
    expect(calls()).toEqual([['a', 'b', 'c']]);
    answer(0);
    expect(await answers).toEqual(['A', 'B', 'C']);
  });

  it('wait together while two statements are under way, and go on when one of them ends', async () => {
    const { run, answer, calls } = heldStatement();
    const ask = grouped({ run });
    const answers = [ask('a')];
    await turn();
    answers.push(ask('b'));
    await turn();
    answers.push(ask('c'));
    await turn();
    answers.push(ask('d'));
    await turn();
    expect(calls()).toEqual([['a'], ['b']]);
    answer(1);
    await answers[1];
    expect(calls()).toEqual([['a'], ['b'], ['c', 'd']]);
    answer(0);
    answer(2);
    expect(await Promise.all(answers)).toEqual(['A', 'B', 'C', 'D']);
  });

  it('are cut into statements of bounded size', async () => {
    const { run, answer, calls } = heldStatement();
    const ask = grouped({ run });
    const answers = Array.from({ length: 70 }, (_, index) => ask(`c${index}`));
    await turn();
    expect(calls().map(({ length }) => length)).toEqual([32, 32]);
    answer(0);
    answer(1);
    await answers[63];
    answer(2);
    expect(await Promise.all(answers)).toEqual(answers.map((_, index) => `C${index}`));
  });

  it('never meet in a statement if they have the same key, and keep their order', async () => {
    const { run, answer, calls } = heldStatement();
    const ask = grouped({ run, keyOf: (call) => call[0] ?? '' });
    const answers = Promise.all([ask('a1'), ask('a2'), ask('b1'), ask('a3')]);
    await turn();
    expect(calls()).toEqual([['a1', 'b1'], ['a2']]);
    answer(0);
    answer(1);
    await turn();
    expect(calls()[2]).toEqual(['a3']);
    answer(2);
    expect(await answers).toEqual(['A1', 'A2', 'B1', 'A3']);
  });
});

describe('a group that fails', () => {
  it.each([
    ['an error of the server', new Error('deadlock detected')],
    ['a lock that one of them waits for', new DatabaseUnavailable('lock timeout', '55P03')],
  ])('is run again call by call after %s, so that only the guilty one fails', async (_, refusal) => {
    const alone: string[] = [];
    const ask = grouped({
      run: async (calls: readonly string[]) => {
        if (calls.length > 1) throw refusal;
        alone.push(...calls);
        if (calls[0] === 'bad') throw new Error('bad alone');
        return calls;
      },
    });
    const answers = await Promise.all(['a', 'bad', 'b'].map((call) => outcomeOf(ask(call))));
    expect(answers).toEqual(['a', 'bad alone', 'b']);
    expect(alone).toEqual(['a', 'bad', 'b']);
  });

  it('tells an outage at once to everybody, also to those who wait for their turn, and runs nothing again', async () => {
    const { run, fail, calls } = heldStatement();
    const ask = grouped({ run });
    const answers = [outcomeOf(ask('a')), outcomeOf(ask('b'))];
    await turn();
    answers.push(outcomeOf(ask('c')));
    await turn();
    answers.push(outcomeOf(ask('waits')));
    await turn();
    fail(0, new DatabaseUnavailable('no answer in time'));
    expect(await answers[3]).toContain('no answer in time');
    fail(1, new DatabaseUnavailable('no answer in time'));
    expect(await Promise.all(answers)).toEqual(
      Array(4).fill('the database is unavailable: no answer in time'),
    );
    expect(calls()).toEqual([['a', 'b'], ['c']]);
  });

  it('does not stop the calls that come later', async () => {
    let fails = true;
    const ask = grouped({
      run: async (calls: readonly string[]) => {
        if (fails) throw new DatabaseUnavailable('down');
        return calls;
      },
    });
    expect(await outcomeOf(ask('a'))).toContain('down');
    fails = false;
    expect(await ask('b')).toBe('b');
  });
});
