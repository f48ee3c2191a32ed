'use strict';

// The page of a service: its APIs to try, and its metrics as they move. It reads
// schema.json and metrics as anybody else would.

const meta = name => document.querySelector(`meta[name=${name}]`).content;
const $ = id => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') e.className = value;
    else if (value === true) e.setAttribute(name, '');
    else if (value !== false && value !== undefined) e.setAttribute(name, value);
  }
  e.append(...children.filter(child => child !== undefined));
  return e;
}

// ---- APIs

// example is a value that a schema accepts.
function example(schema) {
  if (!schema) return null;
  if (schema.default !== undefined) return schema.default;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.enum?.length) return schema.enum[0];
  for (const key of ['anyOf', 'oneOf', 'allOf']) if (schema[key]?.length) return example(schema[key][0]);
  switch (schema.type) {
    case 'string': return 'text';
    case 'integer': return Math.max(1, schema.minimum ?? 1);
    case 'number': return schema.minimum ?? 1.5;
    case 'boolean': return true;
    case 'array': return Array.from({ length: Math.max(1, schema.minItems ?? 1) }, () => example(schema.items));
    case 'object': return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, s]) => [name, example(s)]));
  }
  return null;
}

function typeName(schema) {
  if (!schema) return '';
  if (schema.type === 'array') return `list of ${typeName(schema.items)}`;
  if (schema.anyOf) return schema.anyOf.map(typeName).join(' or ');
  return schema.type ?? 'value';
}

// field is the control of one property. Its read returns the value, or throws.
function field(id, name, schema, required, json = false) {
  const value = example(schema);
  let control, read;
  if (json) {
    control = element('textarea', { id, rows: 3 }, JSON.stringify(value));
    read = () => JSON.parse(control.value);
  } else if (schema.type === 'boolean') {
    control = element('input', { id, type: 'checkbox' });
    control.checked = value === true;
    read = () => control.checked;
  } else if (schema.type === 'integer' || schema.type === 'number') {
    control = element('input', { id, type: 'text', inputmode: 'decimal', value });
    read = () => JSON.parse(control.value);
  } else if (schema.type === 'string') {
    control = element('textarea', { id, rows: 3 }, String(value));
    read = () => control.value;
  } else {
    control = element('textarea', { id, rows: 3 }, JSON.stringify(value));
    read = () => JSON.parse(control.value);
  }
  const label = element('label', { for: id }, name, ' ', element('span', { class: 'faint' }, typeName(schema) + (required ? '' : ', optional')));
  return {
    name, nodes: [label, schema.description ? element('div', { class: 'faint' }, schema.description) : undefined, control],
    read: () => {
      try { return read(); } catch (error) { throw new Error(`${name}: must be JSON, such as ${JSON.stringify(value)}`, { cause: error }); }
    },
  };
}

function api(route, index) {
  const id = `api${index}`;
  const input = route.input ?? {};
  const properties = input.type === 'object' && input.properties ? Object.entries(input.properties) : null;
  const fields = properties
    ? properties.map(([name, schema]) => field(`${id}-${name}`, name, schema, (input.required ?? []).includes(name)))
    : [field(`${id}-body`, 'body', input, true, true)];
  const send = element('button', { type: 'submit' }, 'Send');
  const status = element('p', { role: 'status', class: 'faint' });
  const answer = element('pre', { tabindex: 0, hidden: true, 'aria-label': `answer of ${route.name}` });
  const form = element('form', { novalidate: true }, ...fields.flatMap(f => f.nodes), send, status, answer);
  form.addEventListener('submit', async event => {
    event.preventDefault();
    send.disabled = true;
    const begun = performance.now();
    const say = (text, good) => { status.textContent = text; status.className = good ? 'good' : 'bad'; };
    try {
      const body = properties ? Object.fromEntries(fields.map(f => [f.name, f.read()])) : fields[0].read();
      const response = await fetch(route.route.replace(/^\//, ''), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
      const text = await response.text();
      const timing = response.headers.get('Server-Timing');
      say(`${response.status} ${response.statusText} in ${(performance.now() - begun).toFixed(1)} ms${timing ? ` (${timing})` : ''}`, response.ok);
      answer.textContent = pretty(text);
      answer.hidden = false;
    } catch (error) {
      say(error instanceof TypeError ? 'no answer: the server cannot be reached' : error.message, false);
      answer.hidden = true;
    }
    send.disabled = false;
  });
  const output = element('p', { class: 'faint' }, `answers ${typeName(route.output)}${route.batchable ? '; merged into batches' : ''}`);
  return element('details', { id, open: index === 0 }, element('summary', {}, `POST ${route.route}`), output, form, documentation(route));
}

// documentation is what OpenAPI says of an operation: its statuses, and the
// schemas of what goes in and comes out.
function documentation({ input, output, operation }) {
  const list = element('ul', { class: 'faint' });
  for (const [status, response] of Object.entries(operation?.responses ?? {})) {
    list.append(element('li', {}, `${status}: ${response.description}, ${Object.keys(response.content ?? {}).join(', ')}`));
  }
  const schemas = element('pre', { tabindex: 0, 'aria-label': 'schemas' }, JSON.stringify({ input, output }, null, 2));
  return element('details', { class: 'documentation' }, element('summary', {}, 'documentation'), list, schemas);
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

async function showAPIs() {
  const list = $('list');
  try {
    const [schema, docs] = await Promise.all(['schema.json', 'docs.json'].map(async name => (await fetch(name)).json()));
    const prefix = new URL('.', document.baseURI).pathname.replace(/\/$/, '');
    const routes = schema.routes.map(route => ({ ...route, operation: docs.paths[route.route]?.post, route: route.route.startsWith(prefix) ? route.route.slice(prefix.length) : route.route }));
    list.replaceChildren(...routes.map(api));
    if (!routes.length) list.replaceChildren(element('p', {}, 'This service has no API.'));
  } catch (error) {
    list.replaceChildren(element('p', { class: 'bad', role: 'alert' }, `The APIs cannot be read: ${error.message}`));
  }
}

// ---- metrics

const every = 2000; // milliseconds between two readings
const kept = 150; // readings: five minutes
const ours = /^\/(healthz|livez|readyz|metrics|static_content\/.*|(schema|docs)\.json)?$/;

// parse reads the samples of a page in the text format.
function parse(text) {
  const samples = [];
  for (const line of text.split('\n')) {
    const m = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const l of (m[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[l[1]] = l[2];
    samples.push({ name: m[1], labels, value: Number(m[3].replace('Inf', 'Infinity')) });
  }
  return samples;
}

// read sums up what the charts show.
function read(samples, namespace) {
  const sum = { total: 0, failed: 0, progress: 0, merged: 0, batches: 0, buckets: new Map() };
  for (const s of samples) {
    if (!s.name.startsWith(namespace + '_') || ours.test(s.labels.endpoint ?? '/x')) continue;
    switch (s.name.slice(namespace.length + 1)) {
      case 'request_total':
        sum.total += s.value;
        if (s.labels.http_response_code >= '500') sum.failed += s.value;
        break;
      case 'request_in_progress': sum.progress += s.value; break;
      case 'adaptive_batch_size_sum': sum.merged += s.value; break;
      case 'adaptive_batch_size_count': sum.batches += s.value; break;
      case 'request_duration_seconds_bucket': {
        const le = Number(s.labels.le.replace('+Inf', 'Infinity'));
        sum.buckets.set(le, (sum.buckets.get(le) ?? 0) + s.value);
      }
    }
  }
  return sum;
}

// quantile is histogram_quantile over what was added between two readings.
function quantile(q, before, after) {
  const bounds = [...after.keys()].sort((a, b) => a - b);
  const counts = bounds.map(le => after.get(le) - (before.get(le) ?? 0));
  const total = counts.at(-1);
  if (!(total > 0)) return null;
  const rank = q * total;
  const at = counts.findIndex(n => n >= rank);
  const low = at > 0 ? bounds[at - 1] : 0;
  const under = at > 0 ? counts[at - 1] : 0;
  if (bounds[at] === Infinity) return low;
  return low + (bounds[at] - low) * ((rank - under) / (counts[at] - under));
}

const past = { time: [] };
const charts = [];

const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

function chart(title, series, format) {
  const box = element('div', { class: 'chart' }, element('h3', {}, title));
  $('charts').append(box);
  const style = getComputedStyle(document.documentElement);
  const colour = name => style.getPropertyValue(name).trim();
  const colours = [colour('--accent'), colour('--bad'), colour('--good')];
  const axis = { stroke: colour('--faint'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
  const plot = new uPlot({
    width: Math.max(box.clientWidth - 16, 200), height: 160, cursor: { y: false }, legend: { live: false },
    scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [{ ...axis, size: 28, space: 80, values: (_, ticks) => ticks.map(t => clock.format(new Date(t * 1000))) }, { ...axis, size: 56, values: (_, ticks) => ticks.map(format) }],
    series: [{}, ...series.map((name, i) => ({ label: name, stroke: colours[i], width: 2, spanGaps: false, points: { size: 4 } }))],
  }, [[], ...series.map(() => [])], box);
  for (const name of series) past[name] = [];
  charts.push({ plot, series, box });
}

function remember(values) {
  past.time.push(Date.now() / 1000);
  for (const { series } of charts) for (const name of series) past[name].push(values[name] ?? null);
  for (const list of Object.values(past)) if (list.length > kept) list.shift();
  for (const { plot, series } of charts) plot.setData([past.time, ...series.map(name => past[name])]);
}

const seconds = v => (v < 1 ? `${Number((v * 1000).toPrecision(3))} ms` : `${Number(v.toPrecision(3))} s`);
const plain = v => String(Number(v.toPrecision(3)));

function show(values) {
  const put = (id, v, format) => { $(id).textContent = v == null ? '–' : format(v); };
  put('rate', values.all, plain);
  put('failing', values.all ? values.failed / values.all : values.all === 0 ? 0 : null, v => `${plain(v * 100)} %`);
  put('p50', values.p50, seconds);
  put('p99', values.p99, seconds);
  put('progress', values['in progress'], plain);
  put('batch', values['requests in a batch'], plain);
}

let last = null;

async function poll(namespace) {
  try {
    const response = await fetch('metrics', { headers: { Accept: 'text/plain' }, cache: 'no-store' });
    if (!response.ok) throw new Error(`metrics answers ${response.status}`);
    const now = { at: performance.now(), sum: read(parse(await response.text()), namespace) };
    $('state').textContent = 'live';
    $('state').className = 'good';
    const values = { 'in progress': now.sum.progress };
    if (last && now.sum.total >= last.sum.total) { // otherwise it has begun anew
      const took = (now.at - last.at) / 1000;
      values.all = (now.sum.total - last.sum.total) / took;
      values.failed = (now.sum.failed - last.sum.failed) / took;
      for (const [name, q] of [['p50', 0.5], ['p90', 0.9], ['p99', 0.99]]) values[name] = quantile(q, last.sum.buckets, now.sum.buckets);
      const batches = now.sum.batches - last.sum.batches;
      values['requests in a batch'] = batches > 0 ? (now.sum.merged - last.sum.merged) / batches : null;
    }
    last = now;
    remember(values);
    show(values);
  } catch (error) {
    $('state').textContent = error instanceof TypeError ? 'the server cannot be reached' : error.message;
    $('state').className = 'bad';
    remember({});
  }
}

async function showMetrics() {
  if (meta('metrics') !== 'true') {
    $('nometrics').hidden = false;
    $('tiles').hidden = true;
    $('state').textContent = '';
    return;
  }
  chart('requests a second', ['all', 'failed'], plain);
  chart('latency', ['p50', 'p90', 'p99'], seconds);
  chart('in progress', ['in progress'], plain);
  chart('requests in a batch', ['requests in a batch'], plain);
  addEventListener('resize', () => { for (const { plot, box } of charts) plot.setSize({ width: Math.max(box.clientWidth - 16, 200), height: 160 }); });
  for (;;) {
    if (!document.hidden) await poll(meta('namespace'));
    await new Promise(wake => setTimeout(wake, every));
  }
}

showAPIs();
showMetrics();
