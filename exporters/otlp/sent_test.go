package otlp_test

import (
	"crypto/tls"
	"io"
	"log"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// nobody is told of handshakes that a test has fail.
var nobody = log.New(io.Discard, "", 0)

// environ sets OpenTelemetry's variables, for all signals and for each.
func environ(t *testing.T, variables map[string]string) {
	t.Helper()
	for name, value := range variables {
		for _, signal := range []string{"", "METRICS_", "TRACES_"} {
			t.Setenv("OTEL_EXPORTER_OTLP_"+signal+name, value)
		}
	}
}

// What is sent, and where, is what Config says, whatever is in the environment.
func TestEnvironmentChangesNothing(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	cert, key := theirs.issues(t, "theirs")
	for _, c := range []struct {
		name   string
		secure *tls.Config
		cfg    otlp.Config
		env    map[string]string
		want   request
	}{
		{
			"TLS where the environment has none", ours.serves(t, tls.RequestClientCert),
			otlp.Config{TLS: otlp.TLS{CA: ours.file}},
			map[string]string{
				"ENDPOINT": "http://127.0.0.1:1/theirs", "INSECURE": "true", "COMPRESSION": "gzip",
				"CERTIFICATE": theirs.file, "CLIENT_CERTIFICATE": cert, "CLIENT_KEY": key,
			},
			request{secure: true},
		},
		{
			"TLS by the endpoint alone, where the environment has none", ours.serves(t, tls.NoClientCert),
			otlp.Config{TLS: otlp.TLS{CA: ours.file, Insecure: true}},
			map[string]string{"INSECURE": "true"},
			request{secure: true},
		},
		{
			"no TLS where the environment has it", nil,
			otlp.Config{Gzip: true},
			map[string]string{
				"ENDPOINT": "https://127.0.0.1:1/theirs", "INSECURE": "false", "COMPRESSION": "none",
				"CERTIFICATE": theirs.file, "CLIENT_CERTIFICATE": cert, "CLIENT_KEY": key,
			},
			request{encoding: "gzip"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, w way) {
				environ(t, map[string]string{"HEADERS": "api-key=theirs,other=theirs", "TIMEOUT": "1", "PROTOCOL": "http/json"})
				environ(t, c.env)
				t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
				r := record(t, w, c.secure)
				r.delay = 20 * time.Millisecond // longer than the environment's timeout
				c.cfg.Endpoint, c.cfg.Headers = r.url, map[string]string{"Api-Key": "ours"}
				c.cfg.Timeout, c.cfg.Retry = 30*time.Second, otlp.Retry{Off: true}
				if sent := w.send(t, c.cfg); sent.Exported() != 1 {
					t.Fatalf("failures: %v", failures(sent))
				}
				got := r.requests()[0]
				key, other := got.headers["api-key"], got.headers["other"]
				kind := got.headers["content-type"]
				got.headers, got.at, c.want.path = nil, time.Time{}, w.path()
				if got.path != c.want.path || got.encoding != c.want.encoding || got.secure != c.want.secure || got.client != "" || key != "ours" || other != "" || strings.Contains(kind, "json") {
					t.Errorf("got %+v with api-key %q, other %q, %s", got, key, other, kind)
				}
			})
		})
	}
}

// Config's timeout holds where the environment has a longer one.
func TestTimeoutIsConfigs(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		environ(t, map[string]string{"TIMEOUT": "3600000"})
		r := record(t, w, nil)
		r.delay = 2 * time.Second
		at := time.Now()
		sent := w.send(t, otlp.Config{Endpoint: r.url, Timeout: 50 * time.Millisecond, Retry: otlp.Retry{Off: true}})
		if sent.Failures(otlp.Timeout) != 1 || time.Since(at) > 30*time.Second {
			t.Errorf("after %s: %d sent, failures: %v", time.Since(at), sent.Exported(), failures(sent))
		}
	})
}

// What a reader is told to collect is not the environment's to say.
func TestTemporalityIsCumulative(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram")
	for _, overGRPC := range []bool{false, true} {
		exporter, err := otlp.NewMetricExporter(t.Context(), otlp.Config{GRPC: overGRPC})
		if err != nil {
			t.Fatal(err)
		}
		histogram := sdkmetric.InstrumentKindHistogram
		_, classic := exporter.Aggregation(histogram).(sdkmetric.AggregationExplicitBucketHistogram)
		if exporter.Temporality(histogram) != metricdata.CumulativeTemporality || !classic {
			t.Errorf("gRPC %t: %s, %v", overGRPC, exporter.Temporality(histogram), exporter.Aggregation(histogram))
		}
		_ = exporter.Shutdown(t.Context())
	}
}

// TLS is checked by the authority that is named, and shows the certificate that
// is.
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
		{"another authority", tls.NoClientCert, otlp.TLS{CA: theirs.file}, "", true},
		{"the system's authorities", tls.NoClientCert, otlp.TLS{}, "", true},
		{"a certificate", tls.RequireAndVerifyClientCert, otlp.TLS{CA: ours.file, Cert: cert, Key: key}, "ekiben", false},
		{"no certificate", tls.RequireAndVerifyClientCert, otlp.TLS{CA: ours.file}, "", true},
		{"another authority's certificate", tls.RequireAndVerifyClientCert, otlp.TLS{CA: ours.file, Cert: foreign, Key: foreignKey}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, w way) {
				r := record(t, w, ours.serves(t, c.clients))
				sent := w.send(t, otlp.Config{Endpoint: r.url, TLS: c.tls, Retry: otlp.Retry{Off: true}})
				got := r.requests()
				switch {
				case c.fails && (len(got) > 0 || sent.Failures(otlp.Unreachable) != 1):
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

// Headers go out once each, whatever their case, and go over the endpoint's user
// info.
func TestHeaders(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		for _, c := range []struct {
			user    string
			headers map[string]string
			want    string
		}{
			{"", map[string]string{"Authorization": "Bearer abc"}, "Bearer abc"},
			{"ann:secret@", nil, "Basic YW5uOnNlY3JldA=="},
			{"ann:secret@", map[string]string{"authorization": "Bearer abc"}, "Bearer abc"},
		} {
			r := record(t, w, nil)
			w.send(t, otlp.Config{Endpoint: strings.Replace(r.url, "://", "://"+c.user, 1), Headers: c.headers})
			if got := r.requests(); len(got) != 1 || got[0].headers["authorization"] != c.want {
				t.Errorf("%+v: got %+v", c, got)
			}
		}
	})
}

// What is compressed says so, and nothing else does.
func TestCompression(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		for compress, want := range map[bool]string{false: "", true: "gzip"} {
			r := record(t, w, nil)
			w.send(t, otlp.Config{Endpoint: r.url, Gzip: compress})
			if got := r.requests(); len(got) != 1 || got[0].encoding != want {
				t.Errorf("gzip %t: got %+v", compress, got)
			}
		}
	})
}

// A collector that says later is asked again when Retry says so, and not
// sooner than that.
func TestRetry(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		const initial = 300 * time.Millisecond // half of which jitter can take off
		// The timeout is shorter than OpenTelemetry's own first pause, of 5 s, can be.
		cfg := otlp.Config{Timeout: 2400 * time.Millisecond, Retry: otlp.Retry{Initial: initial, Max: initial}}
		r := record(t, w, nil)
		r.says, cfg.Endpoint = []int{503}, r.url
		sent := w.send(t, cfg)
		if got := r.requests(); len(got) != 2 || sent.Exported() != 1 {
			t.Errorf("%d requests, failures: %v", len(got), failures(sent))
		} else if pause := got[1].at.Sub(got[0].at); pause < initial/2 {
			t.Errorf("tried again after %s", pause)
		}

		r = record(t, w, nil)
		r.says, cfg.Endpoint, cfg.Retry.Off = []int{503}, r.url, true
		sent = w.send(t, cfg)
		if got := r.requests(); len(got) != 1 || sent.Failures(otlp.Unavailable) != 1 {
			t.Errorf("%d requests, failures: %v", len(got), failures(sent))
		}

		r = record(t, w, nil)
		r.says, cfg.Endpoint, cfg.Retry.Off = []int{400}, r.url, false
		sent = w.send(t, cfg)
		if got := r.requests(); len(got) != 1 || sent.Failures(otlp.Rejected) != 1 {
			t.Errorf("what was refused: %d requests, failures: %v", len(got), failures(sent))
		}
	})
}
