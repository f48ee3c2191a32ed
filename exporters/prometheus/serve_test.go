package prometheus

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

const (
	prom242 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
	prom3   = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	prom3pb = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
	prom3tx = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2"
)

func TestNegotiate(t *testing.T) {
	for _, row := range []struct {
		name   string
		cfg    Config
		accept []string
		want   string
	}{
		{"Prometheus 2.42", DefaultConfig(), []string{prom242}, string(openMetrics)},
		{"Prometheus 3", DefaultConfig(), []string{prom3}, string(openMetrics)},
		{"Prometheus 3 with protobuf first", DefaultConfig(), []string{prom3pb}, string(openMetrics)},
		{"native, Prometheus 3 with protobuf first", DefaultConfig(), []string{prom3pb}, string(protobuf)},
		{"native, protobuf as text", DefaultConfig(), []string{strings.ReplaceAll(prom3pb, "delimited", "text")}, string(openMetrics)},
		{"native, Prometheus 3", DefaultConfig(), []string{prom3}, string(openMetrics)},
		{"native, text only", Config{}, []string{prom3}, string(classic)},
		{"Prometheus 3 with text first", DefaultConfig(), []string{prom3tx}, string(classic)},
		{"forced text", Config{}, []string{prom242}, string(classic)},
		{"curl", DefaultConfig(), []string{"*/*"}, string(classic)},
		{"nothing", DefaultConfig(), nil, string(classic)},
		{"Datadog", DefaultConfig(), []string{"text/plain"}, string(classic)},
		{"a browser", DefaultConfig(), []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, string(classic)},
		{"no version", DefaultConfig(), []string{"application/openmetrics-text"}, string(openMetrics)},
		{"a version to come", DefaultConfig(), []string{"application/openmetrics-text;version=2.0.0"}, string(classic)},
		{"not wanted", DefaultConfig(), []string{"application/openmetrics-text;version=1.0.0;q=0"}, string(classic)},
		{"text preferred by wildcard", DefaultConfig(), []string{"application/openmetrics-text;q=0.5,*/*"}, string(classic)},
		{"text named as the least", DefaultConfig(), []string{"application/openmetrics-text;q=0.5,*/*,text/plain;q=0.1"}, string(openMetrics)},
		{"two lines", DefaultConfig(), []string{"text/plain;q=0.5", "application/openmetrics-text"}, string(openMetrics)},
		{"upper case", DefaultConfig(), []string{"Application/OpenMetrics-Text; version=1.0.0, TEXT/PLAIN;q=0.2"}, string(openMetrics)},
		{"quoted version", DefaultConfig(), []string{`application/openmetrics-text; version="1.0.0"`}, string(openMetrics)},
		{"spaces", DefaultConfig(), []string{"application/openmetrics-text ; version=1.0.0 ; q=0.5 , text/plain ; q=0.4 "}, string(openMetrics)},
		{"nonsense", DefaultConfig(), []string{";;q=,,application/openmetrics-text;q=many"}, string(classic)},
	} {
		r := newRig(t, row.cfg)
		r.native = strings.HasPrefix(row.name, "native")
		var header []string
		for _, a := range row.accept {
			header = append(header, "Accept", a)
		}
		if got := get(r, header...).Header().Get("Content-Type"); got != row.want {
			t.Errorf("%s: Content-Type %q, want %q", row.name, got, row.want)
		}
	}
}

func TestGzip(t *testing.T) {
	for encoding, want := range map[string]bool{
		"gzip": true, "gzip, deflate, br": true, "GZIP;q=0.5": true, "*": true, "deflate, *;q=0.1": true,
		"": false, "identity": false, "gzip;q=0": false, "gzip; q=0.0, *": false, "*;q=0": false, "br": false,
	} {
		r := newRig(t, DefaultConfig())
		must(r.mp.Meter("app").Int64Gauge("depth")).Record(context.Background(), 3)
		plain := r.page(false)
		for range 2 { // the second with the writer of the first
			w := get(r, "Accept-Encoding", encoding)
			body := io.Reader(w.Body)
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != want {
				t.Fatalf("Accept-Encoding %q: gzip %t, want %t", encoding, got, want)
			}
			if want {
				body = must(gzip.NewReader(w.Body))
			}
			same(t, encoding, string(must(io.ReadAll(body))), plain)
		}
	}
}

func TestMethods(t *testing.T) {
	r := newRig(t, DefaultConfig())
	must(r.mp.Meter("app").Int64Gauge("depth")).Record(context.Background(), 3)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/metrics", http.NoBody))
	if got := w.Result().Status + " " + w.Header().Get("Allow") + " " + w.Body.String(); got !=
		"405 Method Not Allowed GET, HEAD method must be GET or HEAD, found POST\n" {
		t.Errorf("POST: %q", got)
	}
}

// head checks that a HEAD has the status and the headers of a GET.
func head(t *testing.T, h http.Handler) {
	t.Helper()
	w, want := httptest.NewRecorder(), get(h)
	h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/metrics", http.NoBody))
	if w.Code != want.Code || !maps.EqualFunc(w.Header(), want.Header(), slices.Equal) || w.Code == http.StatusOK && w.Body.Len() > 0 {
		t.Errorf("HEAD: %d %v %q, want %d %v", w.Code, w.Header(), w.Body, want.Code, want.Header())
	}
}

// TestNothingToServe checks the status and body of a scrape that collects nothing: it
// does not get the exposition of an earlier scrape.
func TestNothingToServe(t *testing.T) {
	e := New(DefaultConfig(), Settings{})
	if w := get(e); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "not registered") {
		t.Errorf("before there is a provider: %d %q", w.Code, w.Body)
	}
	head(t, e)
	r := newRig(t, DefaultConfig())
	must(r.mp.Meter("app").Int64Gauge("depth")).Record(context.Background(), 3)
	if w := get(r); w.Code != http.StatusOK {
		t.Fatalf("a scrape: %d %q", w.Code, w.Body)
	}
	head(t, r)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "depth") {
		t.Errorf("its client hung up: %d %q", w.Code, w.Body)
	}
	check.Must(t, r.mp.Shutdown(context.Background()))
	w = get(r)
	if got, want := w.Body.String(), "exporters/prometheus: collect: reader is shutdown\n"; w.Code != http.StatusServiceUnavailable || got != want {
		t.Errorf("after the shutdown: %d %q, want 503 %q", w.Code, got, want)
	}
	head(t, r)
	if got := r.ScrapeErrors(); got != 0 {
		t.Errorf("ScrapeErrors %d, want 0: no family was left out", got)
	}
}

// blocked is a client that does not read until it is released. It records the
// deadlines that are set.
type blocked struct {
	header    http.Header
	in        chan<- struct{}
	out       <-chan struct{}
	deadlines []time.Time
	status    int
}

func (b *blocked) Header() http.Header  { return b.header }
func (b *blocked) WriteHeader(code int) { b.status = code }
func (b *blocked) Flush()               {}
func (b *blocked) SetWriteDeadline(at time.Time) error {
	b.deadlines = append(b.deadlines, at)
	return nil
}
func (b *blocked) Write(p []byte) (int, error) {
	b.in <- struct{}{}
	<-b.out
	return len(p), nil
}

// TestServersTimeout checks that a stricter deadline of the server stays.
func TestServersTimeout(t *testing.T) {
	r := newRig(t, DefaultConfig())
	for _, row := range []struct {
		timeout time.Duration
		want    int
	}{{0, 2}, {10 * time.Second, 0}, {time.Minute, 1}} {
		b := &blocked{header: http.Header{}}
		req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		ctx := context.WithValue(req.Context(), http.ServerContextKey, &http.Server{WriteTimeout: row.timeout})
		r.ServeHTTP(b, req.WithContext(ctx))
		if len(b.deadlines) != row.want {
			t.Errorf("WriteTimeout %s: %d deadlines set, want %d", row.timeout, len(b.deadlines), row.want)
		}
	}
}

type failing struct{ after int }

var errGone = errors.New("client has gone")

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, errGone
	}
	return len(p), nil
}

// TestWriterFails checks that encoding stops at the first write error, and that this
// error does not count as a broken family.
func TestWriterFails(t *testing.T) {
	e, _ := benchExporter(t)
	f := &failing{after: 3}
	s := e.take()
	if err := errors.Join(e.collect(context.Background(), s), s.encode(f, variant{format: openMetrics})); !errors.Is(err, errGone) || f.after != -1 {
		t.Errorf("error %v after %d further writes, want %v at once", err, -1-f.after, errGone)
	}
	if got := e.ScrapeErrors(); got != 0 {
		t.Errorf("ScrapeErrors %d, want 0", got)
	}
}
