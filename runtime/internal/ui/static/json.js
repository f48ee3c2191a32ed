'use strict';

// JSON whose numbers keep their digits, of which JavaScript's have 53 bits.

// exact parses JSON. A number that JavaScript would write otherwise stays the
// text that it was, which JSON.stringify writes again.
const exact = text => JSON.parse(text, (_, value, context) =>
  (typeof value === 'number' && context?.source && context.source !== String(value) ? JSON.rawJSON(context.source) : value));

// shown is a value as people read it: a text without quotes, nothing for null.
const shown = value => (value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value));

const opens = token => token === '{' || token === '[';
const closes = token => token === '}' || token === ']';

// tokens are those of JSON, a list of numbers being one of them. The last may
// lack its end.
const tokens = /\[[-+\d.eE,\s]+(?:\]|$)|"(?:[^"\\]+|\\.)*"?|[{}[\],:]|[^\s"{}[\],:]+/g;

// pretty lays JSON out by its tokens, until it is as long as it may be: used is
// how much of the text that shows. Of a cut text the last number or word is left
// out, which may be half of one.
function pretty(text, most = Infinity, cut = false) {
  if (!cut) try { JSON.parse(text); } catch { return { shown: text, used: text.length }; }
  let [out, depth, before, used] = ['', 0, '', 0];
  for (let { 0: token, index } of text.matchAll(tokens)) {
    if (out.length >= most) return { shown: out, used };
    if (cut && index + token.length === text.length && token[0] !== '"' && !closes(token.at(-1))) token = token.slice(0, token.lastIndexOf(',') + 1);
    if (closes(token)) depth--;
    if (opens(before) ? !closes(token) : closes(token) || before === ',') out += `\n${'  '.repeat(depth)}`;
    if (opens(token)) depth++;
    if (token === ':') out += ': ';
    else out += opens(token[0]) ? token.replace(/\s+/g, '').replaceAll(',', ', ') : token;
    used = index + token.length;
    before = token;
  }
  return { shown: out, used: cut ? used : text.length };
}
