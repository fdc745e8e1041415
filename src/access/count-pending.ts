import type { Database } from '../storage/database.ts';

/** How many access requests wait for people now. */
export const countPending = async (database: Database): Promise<number> => {
  const rows = await database.query<{ pending: number }>(
    {
      name: 'count-pending',
      text: `select count(*) as pending from access_requests where state = 'pending' and expires_at > now()`,
    },
    [],
  );
  return rows[0]?.pending ?? 0;
};
