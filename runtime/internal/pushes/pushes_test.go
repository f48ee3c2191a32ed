package pushes

import (
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Every key of a push reaches the exporter.
func TestTarget(t *testing.T) {
	cfg := config.Default()
	cfg.OTLP.Endpoint, cfg.OTLP.Protocol, cfg.OTLP.Compression, cfg.OTLP.Timeout = config.NewURL("https://collector:1"), "grpc", "gzip", 3*time.Second
	cfg.OTLP.Enabled, cfg.OTLP.Headers = true, map[string]config.Secret{"api-key": config.NewSecret("s3cret")}
	cfg.OTLP.TLS.CA, cfg.OTLP.TLS.Cert, cfg.OTLP.TLS.Key, cfg.OTLP.TLS.Insecure = "ca", "cert", "key", true
	cfg.OTLP.Retry.Enabled, cfg.OTLP.Retry.Initial, cfg.OTLP.Retry.Max = true, time.Second, 2*time.Second
	want := otlp.Config{
		Endpoint: "https://collector:1", Base: true, Protocol: "grpc", Gzip: true, Timeout: 3 * time.Second, Headers: map[string]string{"api-key": "s3cret"},
		TLS: otlp.TLS{CA: "ca", Cert: "cert", Key: "key", Insecure: true}, Retry: otlp.Retry{Initial: time.Second, Max: 2 * time.Second},
	}
	check := func() {
		t.Helper()
		check.Equal(t, target(cfg.PushMetrics(), cfg.OTLP.Retry), want)
	}
	check()
	cfg.OTLP.Protocol, cfg.OTLP.Compression, cfg.OTLP.TLS.Insecure, cfg.OTLP.Retry.Enabled = "http/protobuf", "none", false, false
	want.Protocol, want.Gzip, want.TLS.Insecure, want.Retry.Off = "http/protobuf", false, false, true
	check()
}
