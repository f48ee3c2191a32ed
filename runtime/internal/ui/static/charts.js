'use strict';

// The tiles, the charts and their history.

const kept = 150; // readings: five minutes
const shortest = 30; // seconds that a chart spans at least

const scaled = v => (v >= 100 ? Math.round(v) : Number(v.toPrecision(3)));
const plain = v => String(scaled(v));
const seconds = v => (v === 0 ? '0' : v < 1 ? `${scaled(v * 1000)} ms` : `${scaled(v)} s`);
const percent = v => `${v < 0.1 ? Number((v * 100).toPrecision(2)) : scaled(v * 100)} %`;
const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

// panels are the charts. series has the names of values of changes, and the property
// of the style sheet that is their colour. whole: the values are counts. there: whether
// a reading has the family. hideZero: a series that is drawn only around values above 0,
// so that its zero line does not cover the first series.
const panels = [
  { title: 'requests a second', series: { all: '--accent', failing: '--bad' }, format: plain, hideZero: 'failing' },
  { title: 'latency', series: { p50: '--accent', p90: '--second', p99: '--third' }, format: seconds },
  { title: 'in progress', series: { 'in progress': '--accent' }, format: plain, whole: true, there: sum => sum.progress !== undefined },
  { title: 'requests in a batch', series: { 'requests in a batch': '--accent' }, format: plain, whole: true, there: sum => sum.batching },
];

// past has the times of the kept readings, and the values of each series.
const past = { time: [] };
const charts = [];

// colour reads the style sheet each time, because the theme may change.
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function chart({ title, series, format, whole, there, hideZero }) {
  const names = Object.keys(series);
  const values = Object.fromEntries(names.map(name => [name, element('b', {}, '–')]));
  const legend = element('div', { class: 'legend' }, ...names.map(name => {
    const key = element('i');
    key.style.background = `var(${series[name]})`;
    return element('span', {}, key, names.length > 1 ? `${name} ` : '', values[name]);
  }));
  const canvas = element('div', { class: 'canvas', role: 'img' });
  const none = element('p', { class: 'none faint', hidden: true }, 'nothing measured in this time');
  const box = element('div', { class: 'chart' }, element('div', { class: 'head' }, element('h3', {}, title), legend), canvas, none);
  $('charts').append(box);
  for (const name of names) past[name] = [];
  const c = { title, names, format, there, hideZero, box, canvas, none, values, plot: null };
  c.begin = () => { c.plot = new uPlot(options(c, series, whole), data(c), canvas); };
  charts.push(c);
}

const aboveZero = list => list.map((v, i) => (v || list[i - 1] || list[i + 1] ? v : null));
const data = c => [past.time, ...c.names.map(name => (name === c.hideZero ? aboveZero(past[name]) : past[name]))];

function options(c, series, whole) {
  const axis = { stroke: () => colour('--faint'), grid: { stroke: () => colour('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
  const alone = c.names.length === 1;
  return {
    width: c.canvas.clientWidth, height: c.canvas.clientHeight,
    legend: { show: false }, cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'time' } },
    hooks: { setCursor: [plot => legend(c, plot.cursor.idx ?? past.time.length - 1)] },
    scales: { x: { range: (_, low, high) => [Math.min(low, high - shortest), high] }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, whole ? 1 : 0) || 1] } },
    axes: [
      { ...axis, size: 24, space: 90, values: (_, ticks) => ticks.map(t => clock.format(new Date(t * 1000))) },
      { ...axis, size: 52, space: whole ? 20 : 30, incrs: whole ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] : undefined, values: (_, ticks) => ticks.map(c.format) },
    ],
    series: [{}, ...c.names.map(name => ({
      label: name, stroke: () => colour(series[name]), fill: alone ? () => `color-mix(in srgb, ${colour(series[name])} 12%, transparent)` : undefined,
      width: 2, points: { size: 4, fill: () => colour(series[name]) },
    }))],
  };
}

// legend shows the values of a reading. Those of the last one are the label of the
// chart, too.
function legend(c, index) {
  const texts = c.names.map(name => {
    const v = past[name][index];
    c.values[name].textContent = v == null ? '–' : c.format(v);
    return `${c.names.length > 1 ? `${name} ` : ''}${v == null ? 'nothing' : c.format(v)}`;
  });
  if (index === past.time.length - 1) c.canvas.setAttribute('aria-label', `${c.title}, now: ${texts.join(', ')}`);
}

// remember adds a reading to the charts.
function remember(values) {
  past.time.push(Date.now() / 1000);
  for (const c of charts) for (const name of c.names) past[name].push(values[name] ?? null);
  for (const list of Object.values(past)) if (list.length > kept) list.shift();
  for (const c of charts) {
    if (c.box.hidden) continue;
    if (c.plot) c.plot.setData(data(c)); else c.begin();
    c.none.hidden = c.names.some(name => past[name].some(v => v !== null));
    if (c.plot.cursor.left < 0) legend(c, past.time.length - 1);
  }
}

function show(values, sum) {
  for (const c of charts) c.box.hidden = c.there?.(sum) === false;
  $('progress').parentElement.hidden = sum.progress === undefined;
  $('batch').parentElement.hidden = !sum.batching;
  const put = (id, v, format) => { $(id).textContent = v === undefined ? '–' : format(v); };
  put('rate', values.all, plain);
  put('failing', values.all > 0 ? values.failing / values.all : values.all, percent);
  put('p50', values.p50, seconds);
  put('p99', values.p99, seconds);
  put('progress', values['in progress'], plain);
  put('batch', values['requests in a batch'], plain);
}

function showCharts() {
  panels.forEach(chart);
  const fit = new ResizeObserver(() => { for (const { plot, canvas } of charts) plot?.setSize({ width: canvas.clientWidth, height: canvas.clientHeight }); });
  for (const { canvas } of charts) fit.observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const { plot } of charts) plot?.redraw(); });
}
