'use strict';

// What an API has answered: the beginning of it to read, all of it to keep.

const longest = 256 * 1024; // bytes that are read, and characters that are shown

const sized = bytes => (bytes < 1e6 ? `${scaled(bytes / 1e3)} kB` : `${scaled(bytes / 1e6)} MB`);
const isJSON = whole => whole.type.startsWith('application/json');

// excerpt is the beginning of an answer as people read it, and how many bytes
// come after it. A cut cannot be parsed: it is JSON if it is said to be.
async function excerpt(whole) {
  const cut = whole.size > longest;
  const text = new TextDecoder().decode(await whole.slice(0, longest).arrayBuffer(), { stream: cut });
  const { shown, used } = cut && !isJSON(whole) ? { shown: text, used: text.length } : pretty(text, longest, cut);
  return { shown, rest: cut || used < text.length ? whole.size - new Blob([text.slice(0, used)]).size : 0 };
}

// answerOf is where the answers of an API are shown.
function answerOf(name) {
  const text = element('pre', { tabindex: 0, hidden: true, 'aria-label': `answer of ${name}` });
  const more = element('p', { hidden: true });
  let link = '';
  return {
    parts: [text, more],
    hide: () => { text.hidden = more.hidden = true; },
    show: async whole => {
      const { shown, rest } = await excerpt(whole);
      text.textContent = shown;
      text.hidden = false;
      more.hidden = !rest;
      URL.revokeObjectURL(link);
      if (!rest) return;
      link = URL.createObjectURL(whole);
      more.replaceChildren(`… and ${sized(rest)} more. `, element('a', { href: link, download: `${name}.${isJSON(whole) ? 'json' : 'txt'}` }, `Download all ${sized(whole.size)}`));
    },
  };
}
