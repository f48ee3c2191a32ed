// Package otlp pushes what the SDK collects to an OpenTelemetry collector:
// metrics with [Pusher], spans with [NewTraceExporter].
//
// A collector that is away, slow or broken costs the process nothing but the
// attempt: exports never overlap, each is bounded by its timeout, and what
// becomes of them is counted in [Stats].
package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

// Config is where and how one signal is sent, whatever OTEL_ variables are in
// the environment. Its zero value sends to a collector on this machine,
// http://localhost:4318.
type Config struct {
	// Endpoint is the collector's URL, or host:port. Over HTTP a URL without a
	// path gets OTLP's own, /v1/metrics or /v1/traces; one with a path is used
	// as it is, unless it is Base. User info is sent as basic authorization.
	// Default and meaning of "": this machine, at OTLP's port for the protocol.
	Endpoint string
	// Base has OTLP's own path added to that of Endpoint.
	Base bool
	// GRPC sends over gRPC. Default: HTTP with protobuf.
	GRPC bool
	// Gzip compresses what is sent.
	Gzip bool
	// Timeout bounds one export, retries included. Default and meaning of 0:
	// 10 s.
	Timeout time.Duration
	// Headers go with every export.
	Headers map[string]string
	// TLS is how the connection is secured.
	TLS TLS
	// Retry is how an export is tried again.
	Retry Retry
}

// TLS is how connections are secured, by PEM files.
type TLS struct {
	// CA is the collector's certificate authority. Default and meaning of "":
	// the system's.
	CA string
	// Cert and Key are shown to the collector. Default and meaning of "": none.
	Cert, Key string
	// Insecure sends without TLS where Endpoint has no scheme to say so.
	Insecure bool
}

// Retry is how an export is tried again that a collector asked to have again
// later, or did not answer, within Config.Timeout.
type Retry struct {
	// Off never tries again.
	Off bool
	// Initial is the first pause, which grows up to Max. Default and meaning
	// of 0: 5 s and 30 s, as OpenTelemetry has them.
	Initial, Max time.Duration
}

const (
	defaultTimeout      = 10 * time.Second
	defaultInitialRetry = 5 * time.Second
	defaultMaxRetry     = 30 * time.Second
)

func (cfg Config) withDefaults() Config {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Retry.Initial <= 0 {
		cfg.Retry.Initial = defaultInitialRetry
	}
	if cfg.Retry.Max <= 0 {
		cfg.Retry.Max = max(defaultMaxRetry, cfg.Retry.Initial)
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = "http://localhost:4318"
		if cfg.GRPC {
			cfg.Endpoint = "http://localhost:4317"
		}
	}
	return cfg
}

func (t TLS) config() (*tls.Config, error) {
	if t.CA == "" && t.Cert == "" && t.Key == "" {
		return nil, nil //nolint:nilnil // the exporter's own
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		data, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("tls.ca: %s holds no certificate", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		certificate, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert, tls.key: %w", err)
		}
		secure.Certificates = []tls.Certificate{certificate}
	}
	return secure, nil
}
