// Package prometheus exports the metrics of OpenTelemetry's SDK to Prometheus:
// as the classic text format of BentoML, as OpenMetrics 1.0 with exemplars, and as
// protobuf with native histograms.
//
// An [Exporter] is a reader for the SDK and a [net/http.Handler] for /metrics:
//
//	exporter := prometheus.New(prometheus.DefaultConfig(), prometheus.Settings{})
//	provider := metric.NewMeterProvider(metric.WithReader(exporter))
//	http.Handle("/metrics", exporter)
//
// [Exporter.Reserve] sets the order of families, and [Exporter.ScrapeErrors] counts
// what is missing. Package [github.com/ekiben-serving/ekiben/views] adds BentoML's names
// and boundaries. An app of package runtime does all of this itself.
//
// It differs from OpenTelemetry's own exporter and from client_golang:
//
//   - Floats are written as Python writes them: le="1.0", 12.0.
//   - A histogram without boundaries is a summary.
//   - Streams of several scopes with one name and type are one family.
//   - A broken series or family is left out, counted and logged; the others are
//     served. client_golang responds with 500.
//   - Scrapes that arrive together share one collection and its response.
//   - Collections reuse memory, so a scrape allocates almost nothing.
//
// A scrape passes through the files in this order: serve.go (HTTP), share.go (one
// collection for many scrapes), collect.go (the SDK's data), index.go (the family
// and the rendered labels of each point), encode.go or protobuf.go (the formats),
// body.go (the bytes that clients read).
package prometheus
