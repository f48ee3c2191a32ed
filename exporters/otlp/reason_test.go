package otlp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
)

// responds returns the URL of an HTTP/1.1 and HTTP/2 server that always sends the
// same response.
func responds(status int, header map[string]string, body string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for name, value := range header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		server.Config.Protocols = &http.Protocols{}
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		t.Cleanup(server.Close)
		return server.URL
	}
}

// says returns the URL of a server that writes bytes to each connection and closes
// it. Without bytes the server resets the connection.
func says(bytes string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		var listen net.ListenConfig
		listener := check.Value(listen.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 1<<16)) // so that the client has sent something
				if bytes == "" {
					_ = conn.(*net.TCPConn).SetLinger(0)
				}
				_, _ = io.WriteString(conn, bytes)
				_ = conn.Close()
			}
		}()
		t.Cleanup(func() { _ = listener.Close(); <-ended })
		return "http://" + listener.Addr().String()
	}
}

func at(url string) func(*testing.T) string { return func(*testing.T) string { return url } }

func closed(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(nil)
	server.Close()
	return server.URL
}

// answers returns the URL of a collector that responds with a.
func answers(w way, a answer) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return collect(t, w.protocol, nil, a).url
	}
}

// secured returns the URL of a TLS server whose authority is unknown.
func secured(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// ofTLS returns the URL of a server, with a scheme that the server does not use.
func ofTLS(serve func(*testing.T) string, scheme string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		_, host, _ := net.SplitHostPort(serve(t)[len("http://"):])
		return scheme + "://127.0.0.1:" + host
	}
}

// pushedTo is a collector, and the reason why a push to it fails by each protocol; "": it
// succeeds.
type pushedTo struct {
	name       string
	serve      func(*testing.T) string
	http, grpc string
}

func collectors(w way) []pushedTo {
	const invalid = "invalid_response"
	typed := func(kind string) map[string]string { return map[string]string{"Content-Type": kind} }
	html, protobuf := typed("text/html; charset=utf-8"), typed("application/x-protobuf")
	inJSON, inGRPC := typed("application/json"), typed("application/grpc")
	return []pushedTo{
		{"it accepts", answers(w, accept), "", ""},
		{"it accepts a part", answers(w, partial), "partial", "partial"},
		{"it asks for a later attempt", answers(w, later), "unavailable", "unavailable"},
		{"it refuses", answers(w, refuse), "rejected", "rejected"},
		{"it does not respond", answers(w, hang), "timeout", "timeout"},
		{"its response is not protobuf", answers(w, answer{status: 200, code: status.New(codes.OK, ""), body: []byte("OK")}), invalid, invalid},
		{"its partial success is not protobuf", answers(w, answer{status: 200, code: status.New(codes.OK, ""), body: []byte("\x0a\x02\x08")}), invalid, invalid},
		{"the port is closed", closed, "unreachable", "unreachable"},
		{"the name does not resolve", at("http://collector.invalid:4318"), "unreachable", "unreachable"},
		{"the connection is reset", says(""), "unreachable", "unreachable"},
		{"the response is cut off", says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), "unreachable", invalid},
		{"another protocol", says("SSH-2.0-OpenSSH_9.6\r\n"), invalid, invalid},
		{"HTTP with a broken status", says("HTTP/1.1 abc\r\n\r\n"), invalid, invalid},
		{"HTTP with a broken header", says("HTTP/1.1 200 OK\r\n: x\r\n\r\n"), invalid, invalid},
		{"a plain server, asked for TLS", ofTLS(responds(200, protobuf, ""), "https"), "tls", "tls"},
		{"a server of TLS, asked without", ofTLS(secured, "http"), "rejected", "unreachable"},
		{"an unknown authority", secured, "tls", "tls"},
		{"HTML", responds(200, html, "<html>sign in</html>"), invalid, invalid},
		{"no type", responds(200, typed(""), ""), "", invalid},
		{"a broken type", responds(200, typed("x/"), "x"), invalid, invalid},
		{"JSON", responds(200, inJSON, `{"partialSuccess":{}}`), "", invalid},
		{"JSON of a partial success", responds(200, inJSON, `{"partialSuccess":{"rejectedSpans":"2"}}`), "partial", invalid},
		{"JSON with a wrong number", responds(200, inJSON, `{"partialSuccess":{"rejectedSpans":2.5}}`), invalid, invalid},
		{"broken JSON", responds(200, inJSON, `{`), invalid, invalid},
		{"too much", responds(200, protobuf, strings.Repeat("\x1a\x0f15bytes of data", 1<<17)), invalid, invalid},
		{"broken gzip", responds(200, map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}, "this is not gzip"), invalid, invalid},
		{"gRPC without a frame", responds(200, inGRPC, "x"), invalid, invalid},
		{"gRPC without a status", responds(200, inGRPC, "\x00\x00\x00\x00\x00"), invalid, invalid},
		{"301", responds(301, map[string]string{"Location": "/v1/metrics/"}, ""), invalid, invalid},
		{"302 to a form", responds(302, map[string]string{"Location": "/login"}, ""), invalid, invalid},
		{"307 to another host", responds(307, map[string]string{"Location": "http://localhost.invalid/"}, ""), invalid, invalid},
		{"307 for ever", responds(307, map[string]string{"Location": "/"}, ""), invalid, invalid},
		{"304", responds(304, nil, ""), invalid, invalid},
		{"401", responds(401, html, "who are you"), "rejected", "rejected"},
		{"404", responds(404, html, "not here"), "rejected", "rejected"},
		{"413", responds(413, html, "too large"), "rejected", "rejected"},
		{"500", responds(500, html, "oops"), "rejected", "rejected"},
		{"429", responds(429, map[string]string{"Retry-After": "1"}, ""), "unavailable", "unavailable"},
		{"502", responds(502, html, "no endpoints"), "unavailable", "unavailable"},
		{"503", responds(503, html, "no endpoints"), "unavailable", "unavailable"},
		{"504", responds(504, html, "slow"), "unavailable", "unavailable"},
	}
}

// Each failure is counted once, with its reason.
func TestReasons(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		for _, c := range collectors(w) {
			t.Run(c.name, func(t *testing.T) {
				timeout, reason := time.Minute, c.http
				if c.name == "it does not respond" {
					timeout = 50 * time.Millisecond
				}
				if w.protocol == otlp.ProtocolGRPC {
					reason = c.grpc
				}
				want := map[string]int64{}
				if reason != "" {
					want[reason] = 1
				}
				sent := w.send(t, otlp.Config{Endpoint: c.serve(t), Timeout: timeout, Retry: otlp.Retry{Off: true}})
				check.Equal(t, failures(sent), want)
				if succeeded := sent.Exported() == 1 && !sent.LastSuccess().IsZero(); succeeded != (reason == "") {
					t.Errorf("%d exported, last at %s", sent.Exported(), sent.LastSuccess())
				}
			})
		}
	})
}

// Errors over HTTP say what to change: the URL that was posted to, without secrets, or
// the scheme.
func TestErrorsSayWhatToChange(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(*testing.T) string
		want  string // AT stands for the URL without its query
	}{
		"404":            {responds(404, nil, "not here"), `the collector responded 404 Not Found to POST AT/v1/metrics?<secret>: "not here"`},
		"a redirect":     {responds(301, map[string]string{"Location": "/in/?key=s3cret#s3cret"}, ""), `the collector redirected (301 Moved Permanently) to "/in/?<secret>", which is not followed`},
		"a broken one":   {responds(300, map[string]string{"Location": "http://ann:s3cret@c/%zz"}, ""), `the collector redirected (300 Multiple Choices) to "<secret>", which is not followed`},
		"a plain server": {ofTLS(responds(200, nil, ""), "https"), `Post "AT/v1/metrics?<secret>": http: server gave HTTP response to HTTPS client; the server does not use TLS: write otlp.endpoint with http://, or without a scheme and set otlp.tls.insecure`},
	} {
		url := c.serve(t)
		exporter, err := otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{Endpoint: strings.Replace(url, "://", "://ann:s3cret@", 1) + "?key=s3cret", Retry: otlp.Retry{Off: true}}})
		if err != nil {
			t.Fatal(err)
		}
		err = exporter.Export(t.Context(), &metricdata.ResourceMetrics{})
		if want := strings.ReplaceAll(c.want, "AT", url); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
		check.OK(t, exporter.Shutdown(t.Context()))
	}
}

// A redirect is followed only if it keeps the host and the method, because headers
// may be secrets.
func TestRedirectsKeepTheHost(t *testing.T) {
	final := collect(t, otlp.ProtocolHTTP, nil)
	for status, want := range map[int]int64{301: 0, 302: 0, 303: 0, 307: 1, 308: 1} {
		url := responds(status, map[string]string{"Location": final.url + "/v1/metrics"}, "")(t)
		sent := ways[0].send(t, otlp.Config{Endpoint: url, Headers: map[string]string{"api-key": "s"}})
		if sent.Exported() != want {
			t.Errorf("%d: %d exported, failures: %v", status, sent.Exported(), failures(sent))
		}
	}
}

func TestReasonOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want otlp.Reason
	}{
		{&otlp.Error{Reason: otlp.ReasonPartial, Err: io.EOF}, otlp.ReasonPartial},
		{fmt.Errorf("x: %w", &otlp.Error{Reason: otlp.ReasonRejected, Err: context.Canceled}), otlp.ReasonRejected},
		{&net.DNSError{IsTimeout: true}, otlp.ReasonUnreachable},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, otlp.ReasonTimeout},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, otlp.ReasonTLS},
		{tls.RecordHeaderError{}, otlp.ReasonTLS},
		{context.Canceled, otlp.ReasonTimeout},
		{io.ErrUnexpectedEOF, otlp.ReasonUnreachable},
	} {
		if got := otlp.ReasonOf(c.err); got != c.want {
			t.Errorf("%v: got %s, want %s", c.err, got, c.want)
		}
	}
}

func TestReasonNames(t *testing.T) {
	seen := map[string]bool{}
	for i, reason := range otlp.Reasons() {
		if name := reason.String(); name == "" || seen[name] || int(reason) != i {
			t.Errorf("%d: %q", i, name)
		}
		seen[reason.String()] = true
	}
	unknown := otlp.Reason(len(seen))
	check.Equal(t, unknown.String(), "Reason("+strconv.Itoa(len(seen))+")")
	check.Equal(t, (&otlp.Stats{}).Failures(unknown), 0)
	if got := (&otlp.Error{Reason: otlp.ReasonTLS}).Error(); got != "tls" { // of a transport that gives no cause
		t.Errorf("got %q", got)
	}
}

// A request that failed is repeated with the same body, by both protocols.
func TestRetryOnTheWire(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		for _, gzip := range []bool{false, true} {
			to := collect(t, w.protocol, nil, later, later)
			sent := w.send(t, otlp.Config{Endpoint: to.url, Gzip: gzip, Timeout: time.Minute, Retry: otlp.Retry{Initial: time.Millisecond, Max: time.Millisecond}})
			got := to.requests()
			if len(got) != 3 || len(got[0].body) == 0 || string(got[2].body) != string(got[0].body) || sent.Exported() != 1 {
				t.Errorf("%d requests, failures: %v", len(got), failures(sent))
			}
		}
	})
}
