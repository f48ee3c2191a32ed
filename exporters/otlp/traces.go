// Package otlp sends what the SDK collects to an OpenTelemetry collector.
package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"google.golang.org/grpc/credentials"
)

// Config is where and how spans are sent.
type Config struct {
	// Endpoint is the collector's URL, or host:port. A URL without a path gets
	// OTLP's own over HTTP, /v1/traces; one with a path is used as it is.
	Endpoint string
	// GRPC sends over gRPC. Default: HTTP with protobuf.
	GRPC bool
	// Gzip compresses what is sent.
	Gzip bool
	// Timeout bounds one export. Default and meaning of 0: 10 s.
	Timeout time.Duration
	// Headers go with every export.
	Headers map[string]string
	// CertificateFile holds the collector's certificate authority, PEM.
	// Default and meaning of "": the system's.
	CertificateFile string
	// Insecure sends without TLS where Endpoint has no scheme to say so.
	Insecure bool
}

// NewTraceExporter returns an exporter of spans. It connects when there is
// something to send: a collector that is away is no error here.
func NewTraceExporter(ctx context.Context, cfg Config) (*otlptrace.Exporter, error) {
	secure, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	endpoint := cfg.Endpoint
	if !strings.Contains(endpoint, "://") {
		scheme := "https://"
		if cfg.Insecure {
			scheme = "http://"
		}
		endpoint = scheme + endpoint
	}
	at, err := url.Parse(endpoint)
	if err != nil {
		return nil, errors.New("endpoint: must be a URL") // without it: it may hold a password
	}
	if cfg.GRPC {
		return otlptracegrpc.New(ctx, cfg.grpc(at, secure)...)
	}
	return otlptracehttp.New(ctx, cfg.http(at, secure)...)
}

func (cfg Config) tls() (*tls.Config, error) {
	if cfg.CertificateFile == "" {
		return nil, nil //nolint:nilnil // the exporter's own
	}
	data, err := os.ReadFile(cfg.CertificateFile)
	if err != nil {
		return nil, fmt.Errorf("certificate_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("certificate_file: %s holds no certificate", cfg.CertificateFile)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

func (cfg Config) grpc(at *url.URL, secure *tls.Config) []otlptracegrpc.Option {
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(at.Host), otlptracegrpc.WithHeaders(cfg.headers(at))}
	if at.Scheme == "http" {
		options = append(options, otlptracegrpc.WithInsecure())
	} else if secure != nil {
		options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(secure)))
	}
	if cfg.Gzip {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	if cfg.Timeout > 0 {
		options = append(options, otlptracegrpc.WithTimeout(cfg.Timeout))
	}
	return options
}

func (cfg Config) http(at *url.URL, secure *tls.Config) []otlptracehttp.Option {
	options := []otlptracehttp.Option{otlptracehttp.WithEndpoint(at.Host), otlptracehttp.WithHeaders(cfg.headers(at))}
	if at.Path != "" && at.Path != "/" {
		options = append(options, otlptracehttp.WithURLPath(at.Path))
	}
	if at.Scheme == "http" {
		options = append(options, otlptracehttp.WithInsecure())
	} else if secure != nil {
		options = append(options, otlptracehttp.WithTLSClientConfig(secure))
	}
	if cfg.Gzip {
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	if cfg.Timeout > 0 {
		options = append(options, otlptracehttp.WithTimeout(cfg.Timeout))
	}
	return options
}

// headers are those given, and the endpoint's user info as basic
// authorization, as HTTP clients send it.
func (cfg Config) headers(at *url.URL) map[string]string {
	if at.User == nil {
		return cfg.Headers
	}
	headers := map[string]string{"Authorization": basic(at.User)}
	for name, value := range cfg.Headers {
		headers[name] = value
	}
	return headers
}
