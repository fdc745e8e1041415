import fc from 'fast-check';
import { renderToString } from 'preact-render-to-string';
import { describe, expect, it } from 'vitest';
import { AgentWords } from '../../views/agent-words.tsx';
import { clipText, SHOWN_TEXT_MAX_BYTES, VisibleText, visibleParts } from '../../views/visible-text.tsx';

const shown = (text: string): string =>
  visibleParts(text)
    .map((part) => ('text' in part ? part.text : `[${part.escape}]`))
    .join('');

describe('what would not be seen', () => {
  it.each([
    ['a right-to-left override', 'abc\u202Edcba\u202C', 'abc[U+202E]dcba[U+202C]'],
    ['isolates', '\u2066x\u2069', '[U+2066]x[U+2069]'],
    ['zero-width characters', 'a\u200Bb\u200Cc\u200Dd\uFEFFe', 'a[U+200B]b[U+200C]c[U+200D]d[U+FEFF]e'],
    ['many of one kind, counted', `x${'\u200B'.repeat(40)}y`, 'x[U+200B ×40]y'],
    [
      'terminal escapes and other controls',
      'a\u001B[31mb\u0000\u0007\u0085',
      'a[U+001B][31mb[U+0000][U+0007][U+0085]',
    ],
    ['a tab and a lone carriage return', 'a\tb\rc', 'a[U+0009]b[U+000D]c'],
    ['spaces that are not the space', 'a\u00A0b\u3000c\u2003d', 'a[U+00A0]b[U+3000]c[U+2003]d'],
    ['letters that are blank', 'a\u3164b\u115Fc\u2800d', 'a[U+3164]b[U+115F]c[U+2800]d'],
    ['line and paragraph separators', 'a\u2028b\u2029c', 'a[U+2028]b[U+2029]c'],
    ['invisible tags', 'a\u{E0041}\u{E007F}b', 'a[U+E0041][U+E007F]b'],
    ['variation selectors', 'a\uFE0Fb\u{E0100}c', 'a[U+FE0F]b[U+E0100]c'],
    ['private use and lone surrogates', 'a\uE000b\uD800c', 'a[U+E000]b[U+D800]c'],
    ['a soft hyphen and a grapheme joiner', 'pay\u00ADroll\u034F', 'pay[U+00AD]roll[U+034F]'],
  ])('shows %s as code points', (_, text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  it('shows ordinary text of any script as it is', () => {
    const text = 'Zürich, Ελλάδα, 日本語, हिन्दी, العربية, é, emoji 🙂 ✔ <b>&amp;</b> {{y}}\nsecond line';
    expect(shown(text)).toBe(text);
  });

  it('shows two line breaks in a row and counts the rest', () => {
    expect(shown(`a${'\n'.repeat(5000)}b\r\nc`)).toBe('a\n\n[U+000A ×4998]b\nc');
  });

  it('shows three marks on one character and counts the rest', () => {
    expect(shown(`e${'\u0301'.repeat(50)}!`)).toBe(`e${'\u0301'.repeat(3)}[U+0301 ×47]!`);
  });

  it('never lets one through, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const plain = visibleParts(text).flatMap((part) => ('text' in part ? part.text : []));
        expect(plain.join('')).not.toMatch(/(?!\n)\p{C}|\p{Default_Ignorable_Code_Point}|(?! )\p{Z}/u);
      }),
    );
  });
});

describe('a text that is too long', () => {
  it('is clipped between characters, and says how much is left out', () => {
    const text = '🙂'.repeat(1000);
    const { shown: kept, leftOut } = clipText(text, SHOWN_TEXT_MAX_BYTES);
    expect(Buffer.byteLength(kept) + leftOut).toBe(4000);
    expect(kept).toBe('🙂'.repeat(512));
    expect(renderToString(<VisibleText text={'x'.repeat(1_000_000)} />)).toContain('997952 more bytes');
  });
});

describe('the agent’s words on a page', () => {
  const HOSTILE = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    '<div hx-get="/sign-out" hx-trigger="load">x</div>',
    '<svg/onload=alert(1)>',
    '</blockquote></section><form action="https://evil.example"><button>Approve</button></form>',
    '<style>*{display:none}</style>',
    '<hx-partial hx-target="#decision">gone</hx-partial>',
    '<base href="https://evil.example/">',
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    '<!--',
    ']]><![CDATA[',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    'javascript:alert(1)',
    '{{7*7}} <%= 7*7 %> #{7*7}',
  ];
  const frame = (words: string): string => renderToString(<AgentWords words={words} />);
  const tagsOf = (html: string): string[] => html.match(/<[a-z!/][^>]*>/gi) ?? [];

  it.each(HOSTILE)('adds no markup: %s', (words) => {
    expect(tagsOf(frame(words))).toEqual(tagsOf(frame('harmless')));
  });

  it('adds no markup, whatever the text', () => {
    const expected = tagsOf(frame('harmless')).length;
    const unseen = /<span class="unseen">[^<]*<\/span>/g;
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (words) => {
        expect(tagsOf(frame(words).replace(unseen, ''))).toHaveLength(expected);
      }),
    );
  });

  it('are framed as such, and out of htmx’s reach', () => {
    const html = frame('words');
    expect(html).toContain('Written by the agent');
    expect(html).toMatch(/<blockquote[^>]*><span class="visible-text" hx-ignore>words<\/span><\/blockquote>/);
  });

  it('say so when there are none', () => {
    expect(renderToString(<AgentWords words={null} />)).toContain('The agent gave no reason');
  });
});
