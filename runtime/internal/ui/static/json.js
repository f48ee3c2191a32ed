'use strict';

// JSON whose numbers keep their digits, of which JavaScript's have 53 bits.

// exact parses JSON. A number that JavaScript would write otherwise stays the
// text that it was, which JSON.stringify writes again.
const exact = text => JSON.parse(text, (_, value, context) =>
  (typeof value === 'number' && context?.source && context.source !== String(value) ? JSON.rawJSON(context.source) : value));

// shown is a value as people read it: a text without quotes, nothing for null.
const shown = value => (value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value));

// pretty lays JSON out by its tokens, a list of numbers on one line.
function pretty(text) {
  try { JSON.parse(text); } catch { return text; }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g);
  const opens = token => token === '{' || token === '[';
  const closes = token => token === '}' || token === ']';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  return tokens.map((token, i) => {
    if (opens(token)) {
      depth++;
      return closes(tokens[i + 1]) ? token : token + line();
    }
    if (closes(token)) {
      depth--;
      return opens(tokens[i - 1]) ? token : line() + token;
    }
    if (token === ',') return token + line();
    return token === ':' ? ': ' : token;
  }).join('').replace(/\[\n\s*([-+\d.eE,\s]+?)\n\s*\]/g, (_, list) => `[${list.split(/,\s*/).join(', ')}]`);
}
