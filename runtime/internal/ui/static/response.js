'use strict';

// The response of an API: the page shows its beginning and offers the whole as a file.

const longest = 256 * 1024; // bytes that are read, characters that are shown

const sized = bytes => (bytes < 1e6 ? `${scaled(bytes / 1e3)} kB` : `${scaled(bytes / 1e6)} MB`);
const isJSON = whole => whole.type.startsWith('application/json');

// excerpt returns the beginning of a response for people, and how many bytes follow
// it. A cut response cannot be parsed, so its type says whether it is JSON.
async function excerpt(whole) {
  const cut = whole.size > longest;
  const text = new TextDecoder().decode(await whole.slice(0, longest).arrayBuffer(), { stream: cut });
  const { shown, used } = cut && !isJSON(whole) ? { shown: text, used: text.length } : pretty(text, longest, cut);
  return { shown, rest: cut || used < text.length ? whole.size - new Blob([text.slice(0, used)]).size : 0 };
}

// responseOf returns the elements that show the responses of an API.
function responseOf(name) {
  const text = element('pre', { tabindex: 0, hidden: true, 'aria-label': `response of ${name}` });
  const more = element('p', { hidden: true });
  let link = '';
  const offer = (whole, rest) => {
    more.hidden = !rest;
    URL.revokeObjectURL(link);
    if (!rest) return;
    link = URL.createObjectURL(whole);
    more.replaceChildren(`… and ${sized(rest)} more. `, element('a', { href: link, download: `${name}.${isJSON(whole) ? 'json' : 'txt'}` }, `Download all ${sized(whole.size)}`));
  };
  return {
    parts: [text, more],
    // stream shows the chunks of a response as they arrive. It fails if the stream is cut
    // or stopped; what came before stays. arrived is called with the first chunk.
    stream: async (response, arrived) => {
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      const node = document.createTextNode('');
      text.replaceChildren(node);
      text.hidden = false;
      more.hidden = true;
      const chunks = [];
      let size = 0;
      try {
        for (let read = await reader.read(); !read.done; read = await reader.read()) {
          if (chunks.push(read.value) === 1) arrived();
          const begins = read.value.subarray(0, Math.max(0, longest - size));
          size += read.value.length;
          if (!begins.length) continue;
          const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 5;
          node.appendData(decoder.decode(begins, { stream: true }));
          if (atEnd) text.scrollTop = text.scrollHeight; // unless a person reads what came before
        }
      } finally {
        offer(new Blob(chunks, { type: 'text/plain' }), Math.max(0, size - longest));
      }
    },
    hide: () => { text.hidden = more.hidden = true; },
    show: async whole => {
      const { shown, rest } = await excerpt(whole);
      text.textContent = shown;
      text.hidden = false;
      offer(whole, rest);
    },
  };
}
