// Package otlp sends metrics and spans to an OpenTelemetry collector.
//
// [NewMetricExporter] and [NewTraceExporter] make exporters for the SDK. A
// [Pusher] sends metrics at an interval, from a reader that may also feed
// /metrics, so a measurement is recorded only once.
//
// A collector that is down, slow or broken does not block the process: each
// export has a timeout, exports of one signal do not overlap, and [Stats]
// counts the failures by [Reason].
//
// The package itself sends over HTTP. Import exporters/otlp/grpc for the protocol
// "grpc". That is a separate package because gRPC adds about 130 packages to a
// program.
package otlp
