// Package real tests Ekiben beside real programs: BentoML and its client, Prometheus
// 2 and 3, VictoriaMetrics, OpenTelemetry's Collector, Datadog's check, Helm,
// Chromium and validators of API documents.
//
//	cd integration/real && go test -v -timeout 40m
//
// The tests fetch or build missing programs into the folder REAL_PARTS, or into
// ekiben-parts in the user's cache. This is a module of its own, so that
// `go test ./...` of the project needs only Go.
package real
