package otlp_test

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
)

// dialed returns the target that a configuration makes.
func dialed(t *testing.T, signal otlp.Signal, cfg otlp.Config) otlp.Target {
	t.Helper()
	var target otlp.Target
	defer otlp.Register(otlp.Protocol{Name: "test", Endpoint: "http://localhost:1", Dial: func(given otlp.Target) (otlp.Transport, error) {
		target = given
		return nil, errors.New("dialed")
	}})()
	cfg.Protocol = "test"
	var err error
	if signal == otlp.Metrics {
		_, err = otlp.NewMetricExporter(otlp.Settings{Config: cfg})
	} else {
		_, err = otlp.NewTraceExporter(t.Context(), otlp.Settings{Config: cfg})
	}
	if err == nil || err.Error() != "dialed" {
		t.Fatal(err)
	}
	return target
}

func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		cfg  otlp.Config
		want string // of metrics
	}{
		{otlp.Config{}, "http://localhost:1/v1/metrics"},
		{otlp.Config{Base: true}, "http://localhost:1/v1/metrics"},
		{otlp.Config{Endpoint: "http://c:4318"}, "http://c:4318/v1/metrics"},
		{otlp.Config{Endpoint: "http://c:4318/"}, "http://c:4318/v1/metrics"},
		{otlp.Config{Endpoint: "http://c/mine"}, "http://c/mine"},
		{otlp.Config{Endpoint: "http://c/mine/"}, "http://c/mine/"},
		{otlp.Config{Endpoint: "http://c/a%2Fb/x"}, "http://c/a%2Fb/x"},
		{otlp.Config{Endpoint: "http://c/a%2F"}, "http://c/a%2F"},
		{otlp.Config{Endpoint: "http://c/a//b;c/../d?"}, "http://c/a//b;c/../d?"},
		{otlp.Config{Endpoint: "http://c/ingest?api-key=1&b=%2F"}, "http://c/ingest?api-key=1&b=%2F"},
		{otlp.Config{Endpoint: "http://c/a%2F?x=1", Base: true}, "http://c/a%2F/v1/metrics?x=1"},
		{otlp.Config{Endpoint: "http://c/base/", Base: true}, "http://c/base/v1/metrics"},
		{otlp.Config{Endpoint: "c:4318"}, "https://c:4318/v1/metrics"},
		{otlp.Config{Endpoint: "c:4318", TLS: otlp.TLS{Insecure: true}}, "http://c:4318/v1/metrics"},
		{otlp.Config{Endpoint: "https://c", TLS: otlp.TLS{Insecure: true}}, "https://c/v1/metrics"},
		{otlp.Config{Endpoint: "[::1]:4318"}, "https://[::1]:4318/v1/metrics"},
		{otlp.Config{Endpoint: "https://ann:secret@c?x=1#y"}, "https://c/v1/metrics?x=1"},
	} {
		for signal, want := range map[otlp.Signal]string{otlp.Metrics: c.want, otlp.Traces: strings.Replace(c.want, "/v1/metrics", "/v1/traces", 1)} {
			target := dialed(t, signal, c.cfg)
			if got := target.URL.String(); got != want || (target.TLS != nil) != (target.URL.Scheme == "https") || target.Signal != signal {
				t.Errorf("%+v: got %s for %s, TLS %t", c.cfg, got, target.Signal, target.TLS != nil)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		endpoint string
		headers  map[string]string
		want     map[string]string
	}{
		{"http://c", nil, map[string]string{}},
		{"http://c", map[string]string{"api-key": "a"}, map[string]string{"Api-Key": "a"}},
		{"http://ann:secret@c", nil, map[string]string{"Authorization": "Basic YW5uOnNlY3JldA=="}},
		{"http://ann:secret@c", map[string]string{"authorization": "Bearer a"}, map[string]string{"Authorization": "Bearer a"}},
	} {
		check.Equal(t, dialed(t, otlp.Traces, otlp.Config{Endpoint: c.endpoint, Headers: c.headers}).Headers, c.want)
	}
}

// Each error names the key and the legal values. All errors are returned, and none
// repeats a secret.
func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		cfg  otlp.Config
		want []string
	}{
		{otlp.Config{Endpoint: "http://a s3cret"}, []string{"otlp.endpoint: must be a URL of http or https, or host:port"}},
		{otlp.Config{Endpoint: "ftp://a:s3cret@b"}, []string{"otlp.endpoint: must be a URL of http or https, or host:port"}},
		{otlp.Config{Endpoint: "http://:4318"}, []string{"otlp.endpoint: must be a URL of http or https, or host:port"}},
		{otlp.Config{Endpoint: "http://me:s3cret@"}, []string{"otlp.endpoint: must be a URL of http or https, or host:port"}},
		{otlp.Config{Protocol: "http/json"}, []string{`otlp.protocol: must be "http/protobuf" or "grpc", found "http/json"`}},
		{otlp.Config{TLS: otlp.TLS{CA: "nowhere"}}, []string{"otlp.tls.ca: open nowhere: no such file or directory"}},
		{otlp.Config{TLS: otlp.TLS{CA: "config_test.go"}}, []string{"otlp.tls.ca: must be a PEM file of certificates, found none in config_test.go"}},
		{otlp.Config{TLS: otlp.TLS{Cert: "x"}}, []string{"otlp.tls.key: must be given, because otlp.tls.cert is"}},
		{otlp.Config{TLS: otlp.TLS{Key: "x"}}, []string{"otlp.tls.cert: must be given, because otlp.tls.key is"}},
		{otlp.Config{TLS: otlp.TLS{Cert: "x", Key: "y"}}, []string{"otlp.tls.cert, otlp.tls.key: open x: no such file or directory"}},
		{otlp.Config{Headers: map[string]string{"a b": "s3cret", "c": "s3cret\n"}},
			[]string{`otlp.headers: names must be HTTP header names, found "a b"`, `otlp.headers: the value of "c" must have no control characters`}},
		{otlp.Config{Protocol: "x", Endpoint: "http://", Timeout: -time.Second, Retry: otlp.Retry{Initial: -1, Max: -2}}, []string{
			`otlp.protocol: must be "http/protobuf" or "grpc", found "x"`, "otlp.endpoint: must be a URL of http or https, or host:port",
			"otlp.timeout: must not be negative, found -1s", "otlp.retry.initial: must not be negative, found -1ns", "otlp.retry.max: must not be negative, found -2ns",
		}},
	} {
		_, errMetrics := otlp.NewMetricExporter(otlp.Settings{Config: c.cfg})
		_, errTraces := otlp.NewTraceExporter(t.Context(), otlp.Settings{Config: c.cfg})
		for _, err := range []error{c.cfg.Validate(), errMetrics, errTraces} {
			if err == nil || !slices.Equal(strings.Split(err.Error(), "\n"), c.want) {
				t.Errorf("%+v: got %v, want %v", c.cfg, err, c.want)
			}
		}
	}
	check.OK(t, (otlp.Config{Protocol: "grpc", Endpoint: "https://c:4317"}).Validate())
}

// Requests follow Config, in both protocols, whatever environment variables are set.
func TestRequest(t *testing.T) {
	for _, signal := range []string{"", "METRICS_", "TRACES_"} {
		for name, value := range map[string]string{
			"ENDPOINT": "http://127.0.0.1:1/theirs", "HEADERS": "api-key=theirs,other=theirs", "TIMEOUT": "1", "COMPRESSION": "gzip", "INSECURE": "true",
			"PROTOCOL": "http/json", "CERTIFICATE": "nowhere", "CLIENT_CERTIFICATE": "nowhere", "CLIENT_KEY": "nowhere", "TEMPORALITY_PREFERENCE": "delta",
		} {
			t.Setenv("OTEL_EXPORTER_OTLP_"+signal+name, value)
		}
	}
	everyWay(t, func(t *testing.T, w way) {
		for _, c := range []struct {
			cfg      otlp.Config
			encoding string
		}{
			{otlp.Config{Headers: map[string]string{"Api-Key": "ours"}}, ""},
			{otlp.Config{Headers: map[string]string{"api-key": "ours"}, Gzip: true}, "gzip"},
		} {
			to := collect(t, w.protocol, nil)
			c.cfg.Endpoint = to.url
			if sent := w.send(t, c.cfg); sent.Exported() != 1 {
				t.Fatalf("failures: %v", failures(sent))
			}
			got := to.requests()[0]
			if got.path != w.path() || got.encoding != c.encoding || got.headers["api-key"] != "ours" || got.headers["other"] != "" || len(got.body) == 0 {
				t.Errorf("got %+v", got)
			}
			kind, agent := "application/x-protobuf", "ekiben-otlp"
			if w.protocol == otlp.ProtocolGRPC {
				kind = "application/grpc+proto"
			}
			if got.headers["content-type"] != kind || !strings.HasPrefix(got.headers["user-agent"], agent) {
				t.Errorf("got %v", got.headers)
			}
		}
	})
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	cert, key := ours.issues(t, "ekiben")
	foreign, foreignKey := theirs.issues(t, "stranger")
	for _, c := range []struct {
		name    string
		clients tls.ClientAuthType
		tls     otlp.TLS
		client  string
		fails   bool
	}{
		{"its authority", tls.NoClientCert, otlp.TLS{CA: ours.file}, "", false},
		{"its authority, although insecure is set", tls.NoClientCert, otlp.TLS{CA: ours.file, Insecure: true}, "", false},
		{"another authority", tls.NoClientCert, otlp.TLS{CA: theirs.file}, "", true},
		{"the system's authorities", tls.NoClientCert, otlp.TLS{}, "", true},
		{"a certificate", tls.RequireAndVerifyClientCert, otlp.TLS{CA: ours.file, Cert: cert, Key: key}, "ekiben", false},
		{"no certificate", tls.RequireAndVerifyClientCert, otlp.TLS{CA: ours.file}, "", true},
		{"another authority's certificate", tls.RequireAndVerifyClientCert, otlp.TLS{CA: ours.file, Cert: foreign, Key: foreignKey}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, w way) {
				to := collect(t, w.protocol, ours.serves(t, c.clients))
				sent := w.send(t, otlp.Config{Endpoint: to.url, TLS: c.tls, Retry: otlp.Retry{Off: true}})
				got := to.requests()
				failed := sent.Failures(otlp.ReasonTLS)
				if c.clients != tls.NoClientCert {
					failed += sent.Failures(otlp.ReasonUnreachable) // the server resets the connection, maybe before its alert is read
				}
				switch {
				case c.fails && (len(got) > 0 || failed != 1):
					t.Errorf("%d requests, failures: %v", len(got), failures(sent))
				case !c.fails && (len(got) != 1 || sent.Exported() != 1):
					t.Errorf("%d requests, failures: %v", len(got), failures(sent))
				case !c.fails && (!got[0].secure || got[0].client != c.client):
					t.Errorf("got %+v", got[0])
				}
			})
		})
	}
}
