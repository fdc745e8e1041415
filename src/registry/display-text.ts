/**
 * Text that people are shown where they decide: no control, formatting (bidirectional, zero-width) or private
 * character and no lone surrogate, so that what an approver reads is what is stored.
 */
export const DISPLAY_TEXT = /^[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]*$/u;

/** The same, with line breaks. */
export const DISPLAY_PARAGRAPHS = /^(?:[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]|\n)*$/u;
