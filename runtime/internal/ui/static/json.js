'use strict';

// JSON that keeps every digit of a number. JavaScript's numbers have 53 bits.

// exact parses JSON. It keeps the source of a number that JavaScript would write
// differently, and JSON.stringify writes that source again.
const exact = text => JSON.parse(text, (_, value, context) =>
  (typeof value === 'number' && context?.source && context.source !== String(value) ? JSON.rawJSON(context.source) : value));

// shown returns a value for people: a string without quotes, "" for null.
const shown = value => (value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value));

const opens = token => token === '{' || token === '[';
const closes = token => token === '}' || token === ']';

// tokens matches JSON's tokens. A list of numbers is one token. The last token may be
// cut.
const tokens = /\[[-+\d.eE,\s]+(?:\]|$)|"(?:[^"\\]+|\\.)*"?|[{}[\],:]|[^\s"{}[\],:]+/g;

// pretty indents JSON, up to most characters. used is how many characters of text it
// shows. It leaves out the last number or word of a cut text, because that may be cut
// too.
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
