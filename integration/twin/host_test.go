package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// The function of a request that got a 504 sleeps on, as in Python.
func TestMain(m *testing.M) {
	slowFor = time.Minute // a test that stalls after the 504 must not see its end
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/ekiben-serving/ekiben/integration/twin.(*summarization).summarize"))
}

// host serves the twin until the test ends and returns its URL.
func host(t *testing.T, f flags) string {
	t.Helper()
	f.Set = append(f.Set, "shutdown.idle=0", "logging.access.enabled=false")
	app := check.Value(build(f, runtime.WithLogger(slog.New(slog.DiscardHandler))))(t)
	listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Serve(ctx, listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		check.OK(t, <-done)
	})
	return "http://" + listener.Addr().String()
}

func file(t *testing.T, name string) string {
	t.Helper()
	data := check.Value(os.ReadFile(filepath.Join("testdata", name)))(t)
	return string(data)
}

// request is one step of the recorded traffic. Without a body it is a GET.
type request struct{ name, path, body string }

func recordedTraffic() []request {
	post := func(path, body string) request { return request{path, "/" + path, body} }
	hello := post("summarize", `{"text":"hello there"}`)
	encode := post("encode", `{"texts":["a","bb"]}`)
	return []request{
		hello, hello, hello, hello, hello,
		post("summarize", `{"text":"boom"}`), post("summarize", `{"text":"slow"}`),
		post("summarize", `{"text":`), post("summarize", `{"text":4}`),
		{"GETsummarize", "/summarize", ""}, {"GETnope", "/nope/abc", ""},
		encode, encode, encode, encode,
		post("v1/score", `{"xs":[1,2,3]}`), post("encode", `{"texts":[]}`), post("encode", `{"texts":5}`),
		{"readyz", "/readyz", ""},
	}
}

// drive sends traffic and returns its statuses, in the format of the recording.
func drive(t *testing.T, url string, traffic []request) string {
	t.Helper()
	var statuses strings.Builder
	for _, r := range traffic {
		method := http.MethodPost
		if r.body == "" {
			method = http.MethodGet
		}
		status, _, _ := send(t, method, url+r.path, r.body, http.Header{"Content-Type": {"application/json"}})
		fmt.Fprintf(&statuses, "%s %d\n", r.name, status)
	}
	return statuses.String()
}

func send(t *testing.T, method, url, body string, header http.Header) (int, http.Header, string) {
	t.Helper()
	req := check.Value(http.NewRequest(method, url, strings.NewReader(body)))(t)
	req.Header = header
	res := check.Value(http.DefaultClient.Do(req))(t)
	content := check.Value(io.ReadAll(res.Body))(t)
	_ = res.Body.Close()
	return res.StatusCode, res.Header, string(content)
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	_, _, text := send(t, http.MethodGet, url+"/metrics", "", nil)
	return text
}
