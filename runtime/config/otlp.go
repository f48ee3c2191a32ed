package config

import (
	"cmp"
	"maps"
	"strings"
	"time"
)

// OTLP is what is pushed, where and how. Keys of a signal go over the common
// ones; its headers are added to the common ones.
type OTLP struct {
	Enabled     bool              `koanf:"enabled" doc:"Push metrics, and spans if tracing.enabled. A signal that has an endpoint of its own is pushed without it."`
	Endpoint    URL               `koanf:"endpoint" doc:"Collector, http://host:4318 or grpc's http://host:4317; OTLP's own path is added. Empty: this machine."`
	Protocol    string            `koanf:"protocol" oneof:"http/protobuf,grpc" doc:"http/protobuf or grpc."`
	Headers     map[string]Secret `koanf:"headers" key:"NAME" doc:"Headers of every push, such as an API key."`
	HeadersFile map[string]string `koanf:"headers_file" key:"NAME" doc:"Files that hold the values of headers."`
	Compression string            `koanf:"compression" oneof:"none,gzip" doc:"none or gzip."`
	Interval    time.Duration     `koanf:"interval" unit:"seconds" min:"0.001" doc:"Time from one push of metrics to the next."`
	Timeout     time.Duration     `koanf:"timeout" unit:"seconds" min:"0.001" doc:"How long one push may take, retries included."`
	Temporality string            `koanf:"temporality" oneof:"cumulative,delta" doc:"Of metrics. cumulative: what was since the start, from the reader of the page, so that a push that fails loses nothing; delta: what was since the last push, from a reader of its own, at the cost of recording twice."`
	TLS         OTLPTLS           `koanf:"tls" doc:"How the connection is secured, PEM files."`
	Retry       OTLPRetry         `koanf:"retry" doc:"How a push is tried again within timeout."`
	Metrics     OTLPSignal        `koanf:"metrics" doc:"Over the keys above, for metrics."`
	Traces      OTLPSignal        `koanf:"traces" doc:"Over the keys above, for spans."`
}

// OTLPTLS is how the connection to a collector is secured.
type OTLPTLS struct {
	CA       string `koanf:"ca" doc:"The collector's certificate authority. Empty: the system's."`
	Cert     string `koanf:"cert" doc:"Certificate that is shown to the collector. Empty: none."`
	Key      string `koanf:"key" doc:"Its key."`
	Insecure bool   `koanf:"insecure" doc:"No TLS, when endpoint has no scheme to say so."`
}

// OTLPRetry is how a push is tried again.
type OTLPRetry struct {
	Enabled bool          `koanf:"enabled" doc:"Try again when the collector says later, or nothing."`
	Initial time.Duration `koanf:"initial" unit:"seconds" min:"0.001" doc:"The first pause."`
	Max     time.Duration `koanf:"max" unit:"seconds" min:"0.001" doc:"The longest pause."`
}

// OTLPSignal is [OTLP] for one signal, with every key optional.
type OTLPSignal struct {
	Enabled     *bool             `koanf:"enabled" doc:"Push this signal, or not, whatever otlp.enabled says."`
	Endpoint    URL               `koanf:"endpoint" doc:"Over otlp.endpoint. One with a path is used as it is. Empty: otlp.endpoint."`
	Protocol    string            `koanf:"protocol" oneof:",http/protobuf,grpc" doc:"Over otlp.protocol. Empty: otlp.protocol."`
	Headers     map[string]Secret `koanf:"headers" key:"NAME" doc:"Beside otlp.headers."`
	HeadersFile map[string]string `koanf:"headers_file" key:"NAME" doc:"Beside otlp.headers_file."`
	Compression string            `koanf:"compression" oneof:",none,gzip" doc:"Over otlp.compression. Empty: otlp.compression."`
	Timeout     *time.Duration    `koanf:"timeout" unit:"seconds" min:"0.001" doc:"Over otlp.timeout."`
	TLS         OTLPSignalTLS     `koanf:"tls" doc:"Over otlp.tls."`
}

// OTLPSignalTLS is [OTLPTLS] with every key optional.
type OTLPSignalTLS struct {
	CA       string `koanf:"ca" doc:"Over otlp.tls.ca."`
	Cert     string `koanf:"cert" doc:"Over otlp.tls.cert."`
	Key      string `koanf:"key" doc:"Over otlp.tls.key."`
	Insecure *bool  `koanf:"insecure" doc:"Over otlp.tls.insecure."`
}

// Push is where and how one signal is pushed.
type Push struct {
	Enabled     bool
	Endpoint    URL
	Base        bool // Endpoint is common to all signals
	Protocol    string
	Headers     map[string]Secret
	Compression string
	Timeout     time.Duration
	TLS         OTLPTLS
}

// PushMetrics returns how metrics are pushed.
func (c Config) PushMetrics() Push {
	p := c.OTLP.of(c.OTLP.Metrics)
	p.Enabled = p.Enabled && c.Metrics.Enabled
	return p
}

// PushTraces returns how spans are pushed.
func (c Config) PushTraces() Push {
	p := c.OTLP.of(c.OTLP.Traces)
	p.Enabled = p.Enabled && c.Tracing.Enabled
	return p
}

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
