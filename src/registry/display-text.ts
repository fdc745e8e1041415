/**
 * Text that people are shown where they decide: no control, formatting (bidirectional, zero-width) or private
 * character, no lone surrogate and no tower of marks, so that what an approver reads is what is stored, where it stands.
 */
export const DISPLAY_TEXT = /^(?!.*\p{M}{5})[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]*$/u;

/** The same, with line breaks. */
export const DISPLAY_PARAGRAPHS = /^(?!(?:.|\n)*\p{M}{5})(?:[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]|\n)*$/u;

/** What nobody sees, though some of it counts as letters. */
const UNSEEN = /^[\s\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]*$/u;

/** Whether a reader would find nothing there. */
export const isUnseen = (text: string): boolean => UNSEEN.test(text);

/** A name that others gave, as such text: what that may not hold is left out of it. */
export const displayName = (name: string): string =>
  name
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Z}]+/gu, ' ')
    .replaceAll(/(\p{M}{4})\p{M}+/gu, '$1')
    .trim();
