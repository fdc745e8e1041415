/**
 * Text that a stranger wrote, made safe to look at: escaping keeps it from being markup, this keeps it from lying.
 * Whatever a reader cannot see (controls, bidirectional marks, zero-width and blank characters, private use, stacks
 * of combining marks) is shown as its code point, so that nothing can hide, reorder or imitate the page around it.
 */
import type { JSX } from 'preact';

/** Piece of a text: shown as it is, or as the code points of what would not be seen. */
export type VisiblePart = { readonly text: string } | { readonly escape: string };

/** Longest text shown, UTF-8 bytes; the trail keeps all of it. */
export const SHOWN_TEXT_MAX_BYTES = 2048;
/** Line breaks shown in a row; more would push what follows out of sight. */
const LINE_BREAKS_MAX = 2;
/** Combining marks shown on one character; more can cover the lines around it. */
const MARKS_MAX = 3;

/**
 * Not seen, though some count as letters, symbols or spaces: control, format, private and unassigned code points, lone
 * surrogates, everything that Unicode lets a renderer ignore, every separator but the space, and blank braille.
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/u;

const MARK = /\p{M}/u;

const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Splits a text into what is shown as it is and what is shown as escapes; equal escapes in a row are counted. */
export const visibleParts = (text: string): VisiblePart[] => {
  const parts: VisiblePart[] = [];
  let plain = '';
  let unseen = '';
  let times = 0;
  const endPlain = (): void => {
    if (plain !== '') parts.push({ text: plain });
    plain = '';
  };
  const endUnseen = (): void => {
    if (times > 0) parts.push({ escape: times === 1 ? unseen : `${unseen} ×${times}` });
    times = 0;
  };
  let breaks = 0;
  let marks = 0;
  for (const character of text.replace(/\r\n/g, '\n')) {
    breaks = character === '\n' ? breaks + 1 : 0;
    marks = MARK.test(character) ? marks + 1 : 0;
    const shown =
      character === '\n' ? breaks <= LINE_BREAKS_MAX : !UNSEEN.test(character) && marks <= MARKS_MAX;
    if (shown) {
      endUnseen();
      plain += character;
      continue;
    }
    endPlain();
    const name = codePoint(character);
    if (name !== unseen) endUnseen();
    unseen = name;
    times += 1;
  }
  endUnseen();
  endPlain();
  return parts;
};

/** The longest beginning of a text that fits into `maxBytes` of UTF-8, and how many bytes were left out. */
export const clipText = (text: string, maxBytes: number): { shown: string; leftOut: number } => {
  const bytes = Buffer.byteLength(text);
  if (bytes <= maxBytes) return { shown: text, leftOut: 0 };
  let shown = '';
  let used = 0;
  for (const character of text) {
    const next = used + Buffer.byteLength(character);
    if (next > maxBytes) break;
    shown += character;
    used = next;
  }
  return { shown, leftOut: bytes - used };
};

/** A stranger's text, clipped and with everything unseen shown. Only ever text nodes. */
export const VisibleText = (props: { readonly text: string; readonly maxBytes?: number }): JSX.Element => {
  const { shown, leftOut } = clipText(props.text, props.maxBytes ?? SHOWN_TEXT_MAX_BYTES);
  return (
    <span class="visible-text" hx-ignore>
      {visibleParts(shown).map((part) =>
        'text' in part ? part.text : <span class="unseen">{part.escape}</span>,
      )}
      {leftOut > 0 && <span class="unseen">{leftOut} more bytes are in the audit trail</span>}
    </span>
  );
};
