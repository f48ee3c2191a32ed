// Package real holds the twin of the recorded BentoML service against the real
// parts of a platform: BentoML itself and its client, Prometheus 2 and 3,
// VictoriaMetrics, OpenTelemetry's Collector, Datadog's check.
//
//	cd integration/real && go test -v -timeout 40m
//
// What is missing is fetched or built into a cache folder, REAL_PARTS or a
// folder ekiben-parts in the user's cache; each part says how long it takes. It
// is a module of its own, so that `go test ./...` of the project needs nothing
// but Go.
package real
