package openinferencegrpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// newApp returns an app that serves over gRPC.
func newApp(change func(*config.Config), declare func(*runtime.App), options ...runtime.Option) *runtime.App {
	cfg := config.Default()
	cfg.HTTP.OpenInferenceGRPC, cfg.Metrics.Conventions, cfg.Shutdown.Idle = true, []string{"bentoml", "rpc"}, 0
	if change != nil {
		change(&cfg)
	}
	app := runtime.New("Points", append([]runtime.Option{runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
	declare(app)
	return app
}

// handler is an app without a server.
type handler struct{ http.Handler }

func serve(t testing.TB, change func(*config.Config), declare func(*runtime.App), options ...runtime.Option) handler {
	t.Helper()
	app := newApp(change, declare, options...)
	h, err := app.Handler()
	check.Must(t, err)
	t.Cleanup(func() { check.OK(t, app.Shutdown(context.Background())) })
	return handler{h}
}

// status is what a call has ended with.
type status struct {
	code    codes.Code
	message string
	header  http.Header
}

func (s status) String() string { return s.code.String() + " " + s.message }

// frame puts the prefix of gRPC before a message.
func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// send sends bytes to a method, and returns its message.
func (h handler) send(ctx context.Context, method string, body []byte, header ...string) ([]byte, status) {
	return h.sendFrom(ctx, method, bytes.NewReader(body), header...)
}

func (h handler) sendFrom(ctx context.Context, method string, body io.Reader, header ...string) ([]byte, status) {
	r := httptest.NewRequestWithContext(ctx, "POST", "/"+method, body)
	r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
	r.Header.Set("Content-Type", "application/grpc")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	got := w.Result()
	if got.StatusCode != http.StatusOK {
		return w.Body.Bytes(), status{codes.Unknown, "HTTP " + got.Status, got.Header}
	}
	s := status{header: got.Header}
	for name, values := range got.Trailer {
		s.header[name] = values
	}
	_ = s.code.UnmarshalJSON([]byte(s.header.Get("Grpc-Status")))
	s.message, _ = url.PathUnescape(s.header.Get("Grpc-Message"))
	if s.header.Get("Grpc-Status") == "" {
		s.message = "no status"
	}
	return w.Body.Bytes(), s
}

// call calls a method of the inference service. in and want are messages as text. The result is
// the message as text, or the error.
func call[In, Out proto.Message](t testing.TB, h handler, method string, in In, out Out, header ...string) string {
	t.Helper()
	sent := check.Value(proto.Marshal(in))(t)
	body, s := h.send(context.Background(), "inference.GRPCInferenceService/"+method, frame(sent), header...)
	if s.code != codes.OK {
		return s.String()
	}
	check.Must(t, proto.Unmarshal(body[min(5, len(body)):], out))
	return text(t, out)
}

// text writes a message in one form: prototext adds spaces at random.
func text(t testing.TB, message proto.Message) string {
	t.Helper()
	return strings.ReplaceAll(string(check.Value(prototext.MarshalOptions{}.Marshal(message))(t)), "  ", " ")
}

// page returns the samples of /metrics that are not 0, without those of the Go runtime and buckets.
func (h handler) page(path ...string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", strings.Join(path, "")+"/metrics", nil))
	var samples []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go_") && !strings.Contains(line, "_bucket{") && !strings.HasSuffix(line, "} 0.0\n") {
			samples = append(samples, line)
		}
	}
	return strings.Join(samples, "")
}

// counted returns the sample of bentoml_service_request_total.
func counted(endpoint, status string) string {
	return `bentoml_service_request_total{endpoint="` + endpoint + `",http_response_code="` + status + `",runner_name="Points",service_name="Points",service_version="not available"} `
}
