'use strict';

// Reads /metrics, and computes what changed between two readings. Nothing here uses
// the document.

// probes matches the paths that are no requests to the service, below
// http.path_prefix.
const probes = /^\/(healthz|livez|readyz|metrics|static_content\/.*|(schema|docs)\.json)?$/;

// parse returns the samples of an exposition in the text format.
function parse(text) {
  const samples = [];
  for (const line of text.split('\n')) {
    const m = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const l of (m[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[l[1]] = l[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    samples.push({ series: `${m[1]}{${m[2] ?? ''}}`, name: m[1], labels, value: Number(m[3].replace('Inf', 'Infinity')) });
  }
  return samples;
}

const counts = () => ({ there: false, total: 0, failing: 0, counters: {}, histograms: {}, merged: 0, batches: 0 });

// count adds a sample to the counts of the requests.
function count(into, kind, status, { series, labels, value }) {
  into.counters[series] = value;
  if (kind === 'bucket') {
    const { le, ...rest } = labels;
    (into.histograms[JSON.stringify(rest)] ??= {})[Number(le.replace('+Inf', 'Infinity'))] = value;
    return;
  }
  if (kind !== 'total') {
    into[kind] += value;
    return;
  }
  into.there = true;
  into.total += value;
  if (status >= '500') into.failing += value;
}

// read sums up the samples of a reading. It uses BentoML's families, or those of
// OpenTelemetry's conventions if BentoML's are off (metrics.conventions). Calls between
// services of the process have another runner_name: they are no requests, but their
// batches count. process is the series target_info, which identifies the replica.
function read(samples, namespace, runner, prefix) {
  const bento = counts();
  const http = counts();
  const sum = { progress: undefined, batching: false };
  for (const s of samples) {
    const path = s.labels.endpoint ?? s.labels.http_route ?? '';
    if (path.startsWith(prefix) && probes.test(path.slice(prefix.length))) continue;
    if (s.name.startsWith(`${namespace}_request_`) && s.labels.runner_name !== runner) continue;
    switch (s.name) {
      case 'target_info': sum.process = s.series; break;
      case `${namespace}_request_total`: count(bento, 'total', s.labels.http_response_code, s); break;
      case `${namespace}_request_duration_seconds_bucket`: count(bento, 'bucket', '', s); break;
      case 'http_server_request_duration_seconds_count': count(http, 'total', s.labels.http_response_status_code, s); break;
      case 'http_server_request_duration_seconds_bucket': count(http, 'bucket', '', s); break;
      case `${namespace}_request_in_progress`: sum.progress = (sum.progress ?? 0) + s.value; break;
      case 'ekiben_batch_batches_total': sum.batching = true; break;
      case `${namespace}_adaptive_batch_size_sum`: count(bento, 'merged', '', s); break;
      case `${namespace}_adaptive_batch_size_count`: count(bento, 'batches', '', s); break;
      case 'ekiben_batch_queue_duration_seconds_count': count(http, 'merged', '', s); break;
      case 'ekiben_batch_items_count': count(http, 'batches', '', s); break;
    }
  }
  return { ...sum, ...(bento.there ? bento : http) };
}

// added returns how many requests each bucket gained between two readings. It uses the
// boundaries that all series have which gained requests.
function added(before, after) {
  const grown = Object.entries(after).map(([series, buckets]) =>
    Object.fromEntries(Object.entries(buckets).map(([le, n]) => [le, n - (before[series]?.[le] ?? 0)]))).filter(buckets => buckets[Infinity] > 0);
  const bounds = Object.keys(grown[0] ?? {}).filter(le => grown.every(buckets => le in buckets)).map(Number).sort((a, b) => a - b);
  return { bounds, sums: bounds.map(le => grown.reduce((sum, buckets) => sum + buckets[le], 0)) };
}

// quantile computes histogram_quantile. It is undefined if +Inf is the only bucket.
function quantile(q, { bounds, sums }) {
  const total = sums.at(-1);
  if (!(total > 0) || bounds.length < 2) return undefined;
  const rank = q * total;
  const at = sums.findIndex(n => n >= rank);
  const low = at > 0 ? bounds[at - 1] : 0;
  const under = at > 0 ? sums[at - 1] : 0;
  if (bounds[at] === Infinity) return low;
  return low + (bounds[at] - low) * ((rank - under) / (sums[at] - under));
}

// fell returns true if a counter is lower than before, or gone: the server restarted.
const fell = (before, after) => Object.entries(before).some(([series, value]) => !(after[series] >= value));

// changes returns the values for the charts by series. Without a first reading, and
// after a restart, it has only the values that need one reading.
function changes(before, after, seconds) {
  const values = { 'in progress': after.progress };
  if (!before || fell(before.counters, after.counters)) return values;
  const requests = added(before.histograms, after.histograms);
  const batches = after.batches - before.batches;
  return {
    ...values,
    all: (after.total - before.total) / seconds,
    failing: (after.failing - before.failing) / seconds,
    p50: quantile(0.5, requests), p90: quantile(0.9, requests), p99: quantile(0.99, requests),
    'requests in a batch': batches > 0 ? (after.merged - before.merged) / batches : undefined,
  };
}
