/** A person who votes as a browser does: opens the page, presses what it shows. */
import { sql } from 'kysely';
import { fieldsOf, type OpenedRequest, type TestConsole, type TestPerson } from './fixture.ts';

export const pathOf = ({ requestId }: OpenedRequest): string => `/approvals/${requestId}`;

/** The person's page of the request: the cookie and the form as it was rendered. */
export const openPage = async (
  test: TestConsole,
  request: OpenedRequest,
  who: TestPerson,
  ageSeconds = 0,
) => {
  const cookie = await test.signIn(who, ageSeconds);
  const answer = await test.get(pathOf(request), { cookie });
  return { cookie, status: answer.status, form: fieldsOf(await answer.text()) };
};

export const vote = async (
  test: TestConsole,
  request: OpenedRequest,
  who: TestPerson,
  changes: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  const { cookie, form } = await openPage(test, request, who);
  return test.post(
    pathOf(request),
    { ...form, verdict: 'approve', reason: 'the month is closed', ...changes },
    { cookie },
  );
};

export const stateOf = async (
  test: TestConsole,
  { requestId }: OpenedRequest,
): Promise<string | undefined> => {
  const { rows } = await sql<{
    state: string;
  }>`select state from access_requests where id = ${requestId}`.execute(test.database.db);
  return rows[0]?.state;
};
