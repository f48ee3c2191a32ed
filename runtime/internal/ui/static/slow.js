'use strict';

// The table of slow requests, which only the admin door has.

const mostSlow = 20; // rows

const milliseconds = seconds => `${Math.round(seconds * 1000).toLocaleString('en')} ms`;

// spent lists where the time of a request went, the largest share first.
function spent(shares) {
  return Object.entries(shares).sort(([, a], [, b]) => b - a).filter(([, seconds]) => seconds >= 0.0005)
    .map(([cause, seconds]) => `${cause} ${milliseconds(seconds)}`).join(', ');
}

function slowRow(request) {
  const cells = {
    time: new Date(request.time).toLocaleTimeString(), endpoint: request.endpoint, status: request.status, took: milliseconds(request.took_seconds), cause: request.cause,
    'where the time went': spent(request.spent_seconds), 'request id': request.request_id, 'trace id': request.trace_id ?? '',
  };
  return element('tr', {}, ...Object.entries(cells).map(([column, text]) => element('td', { 'data-column': column }, String(text))));
}

async function pollSlow() {
  try {
    const response = await fetch('debug/slow', { cache: 'no-store', signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new Error(`/debug/slow responds ${response.status}`);
    const { requests } = await response.json();
    $('slowrows').replaceChildren(...requests.slice(0, mostSlow).map(slowRow));
    $('slowstate').textContent = requests.length ? '' : 'No request has taken slow.objective or longer.';
  } catch (error) {
    $('slowstate').textContent = `The records cannot be read: ${unread(error)}`;
  }
}

async function showSlow() {
  if (meta('door') !== 'admin') return;
  for (;;) {
    if (!document.hidden) await pollSlow();
    await new Promise(wake => setTimeout(wake, every));
  }
}
