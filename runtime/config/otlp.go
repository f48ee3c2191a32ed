package config

import (
	"cmp"
	"maps"
	"strings"
	"time"
)

// OTLP is how metrics, spans and log lines are pushed. The keys of a signal override the
// common ones; its headers are added to the common ones:
//
//	otlp:
//	  enabled: true
//	  endpoint: http://collector:4318
//	  headers: {x-tenant: search}
//	  traces: {enabled: false}
//
// The zero OTLP is not valid; [Default] has every value that it needs. No key reloads.
// grpc needs an import of package exporters/otlp/grpc, which package ekiben has.
type OTLP struct {
	Enabled     bool              `koanf:"enabled" doc:"Push metrics, and spans if tracing.enabled. A signal with an endpoint of its own is pushed even if this is false."`
	Endpoint    URL               `koanf:"endpoint" doc:"URL of the collector: http://host:4318, or for grpc http://host:4317 or host:4317. OTLP's path is added, and a query is kept. Empty: localhost."`
	Protocol    string            `koanf:"protocol" oneof:"http/protobuf,grpc" doc:"http/protobuf or grpc."`
	Headers     map[string]Secret `koanf:"headers" key:"NAME" doc:"Headers of every push, such as an API key."`
	HeadersFile map[string]string `koanf:"headers_file" key:"NAME" doc:"Files that hold the values of headers. A relative path begins at the working directory."`
	Compression string            `koanf:"compression" oneof:"none,gzip" doc:"none or gzip."`
	Interval    time.Duration     `koanf:"interval" unit:"seconds" min:"0.001" doc:"Time between two pushes of metrics."`
	Timeout     time.Duration     `koanf:"timeout" unit:"seconds" min:"0.001" doc:"Time limit of one push, retries included."`
	Temporality string            `koanf:"temporality" oneof:"cumulative,delta" doc:"Temporality of metrics. cumulative: totals since the start; a failed push loses nothing. delta: changes since the last push; everything is recorded twice."`
	TLS         OTLPTLS           `koanf:"tls" doc:"TLS of the connection, with PEM files. A relative path begins at the working directory."`
	Retry       OTLPRetry         `koanf:"retry" doc:"Retries of a failed push, within timeout."`
	Metrics     OTLPSignal        `koanf:"metrics" doc:"Overrides the keys above, for metrics."`
	Traces      OTLPSignal        `koanf:"traces" doc:"Overrides the keys above, for spans."`
	Logs        OTLPSignal        `koanf:"logs" doc:"Overrides the keys above, for log lines. They are pushed only if enabled or endpoint is given here."`
}

// OTLPTLS is TLS of the connection to a collector. A scheme in the endpoint, http or
// https, decides whether there is TLS:
//
//	otlp:
//	  endpoint: https://collector:4318
//	  tls: {ca: /certs/ca.crt}
//
// The zero OTLPTLS trusts the authorities of the system and sends no certificate.
// Cert and Key are given together or not at all.
type OTLPTLS struct {
	CA       string `koanf:"ca" doc:"Certificate authority of the collector. Empty: those of the system."`
	Cert     string `koanf:"cert" doc:"Client certificate. Empty: none."`
	Key      string `koanf:"key" doc:"Private key of cert."`
	Insecure bool   `koanf:"insecure" doc:"Connect without TLS if endpoint has no scheme."`
}

// OTLPRetry is how a failed push is retried: after a pause of Initial, which grows up
// to Max, as long as the timeout of the push allows:
//
//	otlp: {retry: {initial: 1, max: 5}}
type OTLPRetry struct {
	Enabled bool          `koanf:"enabled" doc:"Retry if the collector asks for it or does not respond."`
	Initial time.Duration `koanf:"initial" unit:"seconds" min:"0.001" doc:"First pause."`
	Max     time.Duration `koanf:"max" unit:"seconds" min:"0.001" doc:"Longest pause."`
}

// OTLPSignal is [OTLP] for one signal, with every key optional:
//
//	otlp:
//	  metrics: {endpoint: "http://prometheus:9090/api/v1/otlp/v1/metrics"}
//
// Nil, "" and a zero URL: the common key applies. An endpoint here turns the signal on
// even if otlp.enabled is false. Its path is not extended; /v1/metrics, /v1/traces or /v1/logs
// is added only if it has none.
type OTLPSignal struct {
	Enabled     *bool             `koanf:"enabled" doc:"Push this signal or not, whatever otlp.enabled is."`
	Endpoint    URL               `koanf:"endpoint" doc:"Overrides otlp.endpoint. A URL with a path is used unchanged. Empty: otlp.endpoint."`
	Protocol    string            `koanf:"protocol" oneof:",http/protobuf,grpc" doc:"Overrides otlp.protocol. Empty: otlp.protocol."`
	Headers     map[string]Secret `koanf:"headers" key:"NAME" doc:"Added to otlp.headers."`
	HeadersFile map[string]string `koanf:"headers_file" key:"NAME" doc:"Added to otlp.headers_file."`
	Compression string            `koanf:"compression" oneof:",none,gzip" doc:"Overrides otlp.compression. Empty: otlp.compression."`
	Timeout     *time.Duration    `koanf:"timeout" unit:"seconds" min:"0.001" doc:"Overrides otlp.timeout."`
	TLS         OTLPSignalTLS     `koanf:"tls" doc:"Overrides otlp.tls."`
}

// OTLPSignalTLS is [OTLPTLS] for one signal, with every key optional:
//
//	otlp: {traces: {tls: {ca: /certs/traces.crt}}}
//
// Nil and "": the common key applies. So a signal cannot go back to the authorities of
// the system, or to no certificate, once the common keys name files.
type OTLPSignalTLS struct {
	CA       string `koanf:"ca" doc:"Overrides otlp.tls.ca."`
	Cert     string `koanf:"cert" doc:"Overrides otlp.tls.cert."`
	Key      string `koanf:"key" doc:"Overrides otlp.tls.key."`
	Insecure *bool  `koanf:"insecure" doc:"Overrides otlp.tls.insecure."`
}

// Push is how one signal is pushed, the keys of [OTLP] and [OTLPSignal] merged.
// [Config.PushMetrics], [Config.PushTraces] and [Config.PushLogs] make it.
type Push struct {
	Enabled     bool // this signal is measured and pushed
	Endpoint    URL  // zero: the collector of this machine, on OTLP's port
	Base        bool // Endpoint is for all signals: the signal's path is added
	Protocol    string
	Headers     map[string]Secret // never nil
	Compression string
	Timeout     time.Duration
	TLS         OTLPTLS
}

// PushMetrics returns how metrics are pushed. Enabled is false if metrics.enabled is.
func (c Config) PushMetrics() Push {
	p := c.OTLP.of(c.OTLP.Metrics)
	p.Enabled = p.Enabled && c.Metrics.Enabled
	return p
}

// PushTraces returns how spans are pushed. Enabled is false if tracing.enabled is.
func (c Config) PushTraces() Push {
	p := c.OTLP.of(c.OTLP.Traces)
	p.Enabled = p.Enabled && c.Tracing.Enabled
	return p
}

// PushLogs returns how log lines are pushed. otlp.enabled does not turn this signal on, because
// log lines may hold what must not leave the machine.
func (c Config) PushLogs() Push {
	p := c.OTLP.of(c.OTLP.Logs)
	p.Enabled = or(c.OTLP.Logs.Enabled, !c.OTLP.Logs.Endpoint.IsZero())
	return p
}

// of merges the keys of a signal over the common ones. Names of headers are compared
// in any case, so that a signal's header replaces the common one.
func (o OTLP) of(s OTLPSignal) Push {
	p := Push{
		Enabled:     or(s.Enabled, o.Enabled || !s.Endpoint.IsZero()),
		Endpoint:    s.Endpoint,
		Protocol:    cmp.Or(s.Protocol, o.Protocol),
		Headers:     map[string]Secret{},
		Compression: cmp.Or(s.Compression, o.Compression),
		Timeout:     or(s.Timeout, o.Timeout),
		TLS: OTLPTLS{
			CA: cmp.Or(s.TLS.CA, o.TLS.CA), Cert: cmp.Or(s.TLS.Cert, o.TLS.Cert), Key: cmp.Or(s.TLS.Key, o.TLS.Key),
			Insecure: or(s.TLS.Insecure, o.TLS.Insecure),
		},
	}
	if p.Endpoint.IsZero() {
		p.Endpoint, p.Base = o.Endpoint, true
	}
	maps.Copy(p.Headers, o.Headers)
	for name, value := range s.Headers {
		maps.DeleteFunc(p.Headers, func(other string, _ Secret) bool { return strings.EqualFold(other, name) })
		p.Headers[name] = value
	}
	return p
}

func defaultOTLP() OTLP {
	return OTLP{
		Protocol: "http/protobuf", Compression: "none", Interval: time.Minute, Timeout: 10 * time.Second, Temporality: "cumulative",
		Retry: OTLPRetry{Enabled: true, Initial: 5 * time.Second, Max: 30 * time.Second},
	}
}
