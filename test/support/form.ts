import type { Form } from '../../src/http/form.ts';

/** A parsed form as `src/http/form.ts` gives it; a value may be a list for a repeated parameter. */
export const formOf = (
  parameters: Readonly<Record<string, string | readonly string[] | undefined>>,
): Form => {
  const all = (name: string): readonly string[] => [parameters[name] ?? []].flat();
  return { get: (name) => all(name)[0], all };
};
