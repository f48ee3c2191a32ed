'use strict';

// The page of a service: its APIs to try, and its metrics as they move. It reads
// schema.json, docs.json and metrics as anybody else would.

const every = 2000; // milliseconds between two readings
const patience = 5000; // milliseconds that a reading may take

function api(route, index) {
  const id = `api${index}`;
  const names = Object.keys(route.output?.properties ?? {});
  const about = [`answers ${names.length ? `{ ${names.join(', ')} }` : typeName(route.output)}`, ...(route.batchable ? ['merged into batches'] : [])].join(' · ');
  return element('details', { id, class: 'api', open: index === 0 },
    element('summary', {}, element('span', { class: 'method' }, 'POST'), ' ', element('code', {}, route.route), ' ', faint(about)),
    form(id, route), documentation(route));
}

// address is where a route is as the page sees it, which somebody may have
// mounted elsewhere. Without ./ what stands before a colon would be a scheme.
function address(route) {
  const prefix = meta('prefix');
  return encodeURI(`.${route.startsWith(`${prefix}/`) ? route.slice(prefix.length) : route}`);
}

async function showAPIs() {
  const list = $('list');
  try {
    const [schema, docs] = await Promise.all(['schema.json', 'docs.json'].map(async name => exact(await (await fetch(name)).text())));
    const routes = schema.routes.map(route => {
      const operation = docs.paths[route.route]?.post;
      const input = operation?.requestBody?.content['application/json']?.schema ?? route.input;
      return { ...route, operation, input, path: address(route.route) };
    });
    list.replaceChildren(...routes.map(api));
    if (!routes.length) list.replaceChildren(element('p', {}, 'This service has no API.'));
  } catch (error) {
    list.replaceChildren(element('p', { class: 'bad', role: 'alert' }, `The APIs cannot be read: ${error.message}`));
  }
}

// readings are the last ones, by process: a balancer may have each be another's.
const readings = new Map();

// say sets the state if it is another: it is read aloud each time.
function say(state, good) {
  if ($('state').textContent === state) return;
  $('state').textContent = state;
  $('state').className = good ? 'good' : 'bad';
}

// unread says why there is no reading.
function unread(error) {
  if (error.name === 'TimeoutError') return 'the server does not answer';
  return error instanceof TypeError ? 'the server cannot be reached' : error.message;
}

async function poll() {
  try {
    const response = await fetch('metrics', { headers: { Accept: 'text/plain' }, cache: 'no-store', signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new Error(`metrics answers ${response.status}`);
    const sum = read(parse(await response.text()), meta('namespace'), meta('runner'), meta('prefix'));
    const now = { at: performance.now(), sum };
    say('live', true);
    const before = readings.get(sum.process);
    const values = changes(before?.sum, sum, before && (now.at - before.at) / 1000);
    readings.set(sum.process, now);
    show(values, sum);
    remember(values);
  } catch (error) {
    say(`${unread(error)}${readings.size ? '; the numbers are old' : ''}`, false);
    remember({});
  }
}

async function showMetrics() {
  if (meta('metrics') !== 'here') return;
  showCharts();
  for (;;) {
    if (!document.hidden) await poll();
    await new Promise(wake => setTimeout(wake, every));
  }
}

showAPIs();
showMetrics();
