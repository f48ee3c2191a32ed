// Package otlp sends metrics, spans and log lines to an OpenTelemetry collector.
//
//	exporter, err := otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: "http://collector:4318"}})
//	pusher, err := otlp.NewPusher(otlp.PushSettings{From: reader, To: exporter})
//	defer pusher.Shutdown(ctx)
//
// [NewMetricExporter], [NewTraceExporter] and [NewLogExporter] make exporters for the SDK. A
// [Pusher] sends metrics at an interval, from a reader that may also feed
// /metrics, so a measurement is recorded only once.
//
// A collector that is down, slow or broken does not block the process: each
// export has a timeout, exports of one signal do not overlap, and [Stats]
// counts the failures by [Reason].
//
// The package itself sends over HTTP. Import exporters/otlp/grpc for the protocol
// "grpc". That is a separate package because gRPC adds 3 MB to a program
// (docs/decisions/0015).
//
// Read on: docs/opentelemetry.md explains pushes of an app, which the section otlp of
// its configuration sets up.
package otlp
