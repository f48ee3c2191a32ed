'use strict';

// Helpers of the tests of the home page. They run before the page's own scripts and
// use its globals: charts, past, poll and others. An API is its number from 0.
const ui = (() => {
  const form = api => document.getElementById(`api${api}`);
  const control = (api, name) => [...form(api).querySelectorAll('form label')].find(label => label.textContent === name).control;
  const answer = api => form(api).querySelector('form pre').textContent;
  const until = async done => { while (!done()) await new Promise(wake => { setTimeout(wake, 20); }); };
  const channels = colour => colour.match(/[\d.]+/g).map(Number);
  const light = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const fetched = window.fetch;
  window.fetch = (path, options) => { ui.posted = options?.body ?? ui.posted; return fetched(path, options); };
  return {
    control, answer, posted: '', status: '',
    // sent is the box that says whether a parameter is sent, or null.
    sent: (api, name) => control(api, name).closest('.field').querySelector('.sends input'),
    described: (api, name) => control(api, name).getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id).textContent).join('|'),
    documented: api => [...form(api).querySelectorAll('.documentation tbody tr')].map(row => [...row.cells].map(cell => cell.textContent).join('|')).join('\n'),
    set(api, values) {
      for (const [name, value] of Object.entries(values)) {
        control(api, name).value = value;
        control(api, name).dispatchEvent(new Event('input', { bubbles: true }));
      }
    },
    // press sends a form. It returns the status without the time, and the response.
    async press(api) {
      const status = form(api).querySelector('[role=status]');
      form(api).open = true;
      status.textContent = ui.posted = '';
      form(api).querySelector('button').click();
      await until(() => status.textContent);
      ui.status = status.textContent;
      return `${ui.status.replace(/ in [\d.]+ ms.*/, '')}|${answer(api)}`;
    },
    async post(api) { return `${(await ui.press(api)).split('|')[0]}|${ui.posted}`; },
    async compact(api) { return `${(await ui.press(api)).split('|')[0]}|${JSON.stringify(JSON.parse(answer(api)))}`; },
    // read makes the page read /metrics n times. After alone, nothing else does.
    async read(n) { for (; n > 0; n--) await ui.reads(); },
    reads: () => poll(),
    alone() { ui.reads = poll; poll = async () => {}; },
    last: (chart, series) => charts[chart].plot.data[series].at(-1),
    most: () => Math.max(...past.all),
    // counted is the number of requests in the chart.
    counted: () => Math.round(past.all.reduce((n, rate, i) => n + (i ? rate * (past.time[i] - past.time[i - 1]) : 0), 0)),
    // contrast is that of an element's text and what is behind it, as WCAG defines it.
    contrast(element, part) {
      let opacity = 1, ground;
      for (let at = element; at; at = at.parentElement) {
        const style = getComputedStyle(at), [r, g, b, a] = channels(style.backgroundColor);
        opacity *= style.opacity;
        if (a !== 0) ground ??= [r, g, b];
      }
      const text = channels(getComputedStyle(element, part).color).slice(0, 3).map((v, i) => v * opacity + ground[i] * (1 - opacity));
      const [high, low] = [light(text), light(ground)].sort((a, b) => b - a);
      return (high + .05) / (low + .05);
    },
    leastContrast() {
      const dim = [...document.querySelectorAll('.unsent :is(input:not([type=checkbox]), textarea, select)')], small = [...document.querySelectorAll('.tiles small')];
      return dim.length && small.length ? Math.min(...[...dim, ...small].map(e => ui.contrast(e)), ...dim.map(e => ui.contrast(e, '::placeholder'))) : 0;
    },
    // drawn says for each chart whether it has pixels of the light and of the dark colour.
    drawn: () => charts.map(({ plot: { ctx } }) => {
      const { data } = ctx.getImageData(0, 0, ctx.canvas.width, ctx.canvas.height), seen = new Set();
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add([data[i], data[i + 1], data[i + 2]].join());
      return `${seen.has('11,98,196')} ${seen.has('108,176,255')}`;
    }),
  };
})();
