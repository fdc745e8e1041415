/** Whether a member's name, anywhere in a value, is written with an escape: strict JSON refuses such a text. */
export const escapesNames = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(value).some(([name, member]) => JSON.stringify(name).includes('\\') || escapesNames(member));
