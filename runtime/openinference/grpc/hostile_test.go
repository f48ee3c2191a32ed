package openinferencegrpc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	goruntime "runtime"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/messages"
)

// packed is a message compressed with gzip.
func packed(t *testing.T, message []byte) []byte {
	t.Helper()
	var to bytes.Buffer
	packer := gzip.NewWriter(&to)
	_, err := packer.Write(message)
	check.Must(t, err, packer.Close())
	framed := frame(to.Bytes())
	framed[0] = 1
	return framed
}

// Few bytes take little memory, with and without credentials.
func TestMemory(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.MaxBodySize = 10 << 20 }, declare)
	locked := serve(t, func(c *config.Config) { c.HTTP.Auth.BearerTokens = config.NewSecret("secret-token-of-a-test") }, declare)
	name := append([]byte("\n\x80\x80\x80\x04"), bytes.Repeat([]byte{1}, 8<<20)...)
	varints := check.Value(proto.Marshal(&messages.ModelInferRequest{ModelName: "add", Inputs: []*messages.ModelInferRequest_InferInputTensor{{
		Name: "x", Datatype: "INT64", Shape: []int64{8 << 20}, Contents: &messages.InferTensorContents{Int64Contents: make([]int64, 8<<20)},
	}}}))(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for what, call := range map[string]func() status{
		"a probe": func() status {
			_, s := locked.send(t.Context(), healthCheck, packed(t, name), "Grpc-Encoding", "gzip")
			return s
		},
		"without credentials": func() status {
			_, s := locked.send(t.Context(), modelInfer, packed(t, name), "Grpc-Encoding", "gzip")
			return s
		},
		"a question": func() status {
			_, s := h.send(t.Context(), "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", packed(t, name), "Grpc-Encoding", "gzip")
			return s
		},
		"a method that is not": func() status {
			_, s := h.send(t.Context(), "grpc.health.v1.Health/Watch", packed(t, name), "Grpc-Encoding", "gzip")
			return s
		},
	} {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		s := call()
		goruntime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 || s.code == 0 {
			t.Errorf("%s: %d bytes were allocated, and it ends with %s", what, took, s)
		}
	}
	_, s := h.send(t.Context(), modelInfer, packed(t, varints), "Grpc-Encoding", "gzip")
	check.Equal(t, s.String(), "ResourceExhausted The request body must be at most 10485760 bytes")
}

// What calls hold is given back when their functions have ended, and not before.
func TestHeldBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := serve(t, func(c *config.Config) { c.HTTP.MaxBodies, c.Traffic.Timeout = 1<<20, time.Second }, func(app *runtime.App) {
			runtime.Handle(app, "add", func(context.Context, point) (int, error) { // deaf to its context
				<-release
				return 1, nil
			})
		})
		in := x(t, "1")
		in.Id = strings.Repeat("i", 256<<10)
		refused := 0
		for range 8 {
			if got := infer(t, h, in); strings.HasPrefix(got, "Unavailable The server has no memory") {
				refused++
			}
		}
		if refused < 4 {
			t.Errorf("%d of 8 calls were refused, while functions run on", refused)
		}
		close(release)
		synctest.Wait()
		check.Equal(t, infer(t, h, in)[:20], `model_name:"add" id:`)
	})
}

// A stream of reflection that pauses in a message leaves nothing behind.
func TestPausedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(c *config.Config) { c.HTTP.MaxBodies = 256 << 10 }, declare)
		for range 8 {
			half := frame(make([]byte, 10<<10))[:8<<10]
			_, s := h.send(t.Context(), "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", half)
			check.Equal(t, s.String(), "InvalidArgument a message must have 10240 bytes, as it says, found 8187")
		}
		in := x(t, "1")
		in.Id = strings.Repeat("i", 100<<10)
		check.Equal(t, infer(t, h, in)[:20], `model_name:"add" id:`)
	})
}

// wrapped hides the writer, as middleware may.
type wrapped struct{ http.ResponseWriter }

// Middleware may hide the writer and replace the context, buffer, call again, and respond itself while
// the handler waits: each request is counted once, by what happened.
func TestOddMiddleware(t *testing.T) {
	sent := frame(check.Value(proto.Marshal(x(t, "1")))(t))
	for name, row := range map[string]struct {
		middleware func(http.Handler) http.Handler
		want       string
		counts     []string
	}{
		"hidden": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(wrapped{w}, r.Clone(context.Background()))
			})
		}, "OK ", nil},
		"buffered": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Body = io.NopCloser(bytes.NewReader(frame(check.Value(proto.Marshal(x(t, "-1")))(t))))
				next.ServeHTTP(w, r)
			})
		}, "Unavailable x is negative", []string{counted("/add", "503") + "1.0\n"}},
		"late": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusTeapot)
			})
		}, "Unknown HTTP 418", []string{counted("/"+modelInfer, "418") + "1.0\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, nil, func(app *runtime.App) {
				declare(app)
				app.Use(row.middleware)
			})
			_, s := h.send(t.Context(), modelInfer, sent)
			if !strings.HasPrefix(s.String(), row.want) {
				t.Errorf("got %s, want %s", s, row.want)
			}
			page := h.page()
			check.Contains(t, page, row.counts...)
			if strings.Contains(page, "request_in_progress") {
				t.Errorf("requests are in progress: %s", page)
			}
		})
	}
}
