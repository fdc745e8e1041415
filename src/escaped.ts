/** A text as JSON and JavaScript escape it, `\uXXXX` for each of its UTF-16 units: what it would do to a terminal it says instead. */
export const escaped = (text: string): string =>
  text.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
