'use strict';

// The home page: forms for the APIs and charts of the metrics. It reads schema.json,
// docs.json and metrics, and at the admin door debug/slow.

const every = 2000; // milliseconds between two readings
const patience = 5000; // milliseconds until a reading fails

function api(route, index) {
  const id = `api${index}`;
  const names = Object.keys(route.output?.properties ?? {});
  const about = [`returns ${names.length ? `{ ${names.join(', ')} }` : typeName(route.output)}`, ...(route.batchable ? ['batched'] : []), ...(route.stream ? ['streamed'] : [])].join(' · ');
  return element('details', { id, class: 'api', open: index === 0 },
    element('summary', {}, element('span', { class: 'method' }, 'POST'), ' ', element('code', {}, route.route), ' ', faint(about)),
    ...(meta('door') === 'admin' ? [] : [form(id, route)]), documentation(route));
}

// address returns a route relative to the page, because a proxy may serve the page
// below another path. Without ./ a browser would read /v1:predict as a scheme.
function address(route) {
  const prefix = meta('prefix');
  return `.${route.startsWith(`${prefix}/`) ? route.slice(prefix.length) : route}`;
}

async function showAPIs() {
  const list = $('list');
  try {
    const [schema, docs] = await Promise.all(['schema.json', 'docs.json'].map(async name => exact(await (await fetch(name)).text())));
    const routes = schema.routes.map(route => {
      const operation = docs.paths[route.route]?.post;
      const [[media, body] = []] = Object.entries(operation?.requestBody?.content ?? {});
      const input = body?.schema ?? route.input;
      const output = operation?.responses[200]?.content[Object.keys(operation.responses[200].content)[0]]?.schema ?? route.output;
      return { ...route, operation, input, media, output, path: address(route.route), stream: Boolean(route.output?.is_stream) };
    });
    list.replaceChildren(...routes.map(api));
    if (!routes.length) list.replaceChildren(element('p', {}, 'This service has no API.'));
  } catch (error) {
    list.replaceChildren(element('p', { class: 'bad', role: 'alert' }, `The APIs cannot be read: ${error.message}`));
  }
}

// readings has the last reading of each replica. A load balancer may send each
// request to another one.
const readings = new Map();

// say sets the state if it changed, because a screen reader reads out each change.
function say(state, good) {
  if ($('state').textContent === state) return;
  $('state').textContent = state;
  $('state').className = good ? 'good' : 'bad';
}

// unread returns why a reading failed.
function unread(error) {
  if (error.name === 'TimeoutError') return 'the server does not respond';
  return error instanceof TypeError ? 'the server cannot be reached' : error.message;
}

async function poll() {
  try {
    const response = await fetch('metrics', { headers: { Accept: 'text/plain' }, cache: 'no-store', signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new Error(`/metrics responds ${response.status}`);
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
showSlow();
