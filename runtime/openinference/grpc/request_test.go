package openinferencegrpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/messages"
)

const added = `model_name:"add" outputs:{name:"output" datatype:"FP64" shape:1 contents:{fp64_contents:2}}`

// A call is limited as a request of its API, and what refuses it is counted there.
func TestRefusedByAPI(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.Traffic.MaxConcurrency = 1 }, func(app *runtime.App) {
		declare(app)
		runtime.Handle(app, "hold", func(context.Context, struct{}) (int, error) { return 0, &runtime.Error{Status: 429, Message: "later"} })
	})
	check.Equal(t, infer(t, h, request(t, `model_name: "hold"`)), "ResourceExhausted later")
	check.Equal(t, infer(t, h, x(t, "1"), "Grpc-Timeout", "0S"), "DeadlineExceeded The deadline of header Grpc-Timeout had passed when the request arrived")
	check.Equal(t, infer(t, h, x(t, "1"), "Grpc-Timeout", "1 hour"), `InvalidArgument Header Grpc-Timeout: must be up to eight digits and a unit of H, M, S, m, u, n, found "1 hour"`)
	check.Contains(t, h.page(), counted("/hold", "429")+"1.0\n", counted("/add", "504")+"1.0\n", counted("/add", "400")+"1.0\n",
		`ekiben_traffic_refused_total{reason="expired",runner_name="Points",service_name="Points",service_version="not available"} 1.0`)
	if strings.Contains(h.page(), "request_in_progress") {
		t.Errorf("requests are in progress: %s", h.page())
	}
}

// Few bytes cannot make many tensors.
func TestFewBytes(t *testing.T) {
	h := serve(t, nil, declare)
	many := bytes.Repeat([]byte{0x2a, 0}, 1<<20) // inputs, each empty
	for name, want := range map[string]string{"\x2a\x00": "inputs must be at most 1 tensors, found more", "\x32\x00": "outputs must be at most 1 tensors, found more", "\x3a\x00": "raw_input_contents must be at most 1, found more"} {
		copy(many, bytes.Repeat([]byte(name), 1<<20))
		_, s := h.send(t.Context(), modelInfer, frame(append([]byte("\n\x03add"), many...)))
		check.Equal(t, s.String(), "InvalidArgument "+want)
	}
	_, s := h.send(t.Context(), modelInfer, frame([]byte("\n\x03add\x2a\x06\x1a\x04\x01\x01\x01\x01\x2a\x00")))
	check.Equal(t, s.String(), "InvalidArgument inputs must be at most 1 tensors, found more")
}

// The body of a call counts once, at the API and before it.
func TestOneBudget(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.MaxBodies = 200 << 10 }, declare)
	in := x(t, "1")
	in.Id = strings.Repeat("i", 100<<10)
	for range 5 {
		check.Equal(t, strings.HasSuffix(infer(t, h, in), `outputs:{name:"output" datatype:"FP64" shape:1 contents:{fp64_contents:2}}`), true)
	}
}

// http.max_body_size holds as it is now, and may be any number.
func TestLargestMessage(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.MaxBodySize = math.MaxInt64 }, declare)
	check.Equal(t, infer(t, h, x(t, "1")), added)
	h = serve(t, func(c *config.Config) { c.HTTP.MaxBodySize = 0 }, declare)
	check.Equal(t, infer(t, h, x(t, "1")), added)
}

// A status of a function that is no error is counted, and the call succeeds.
func TestOtherSuccess(t *testing.T) {
	h := serve(t, nil, func(app *runtime.App) {
		runtime.Handle(app, "add", func(ctx context.Context, in point) (float64, error) {
			runtime.ResponseFrom(ctx).SetStatus(http.StatusAccepted)
			return float64(in.X) + 1, nil
		})
	})
	check.Equal(t, infer(t, h, x(t, "1")), added)
	check.Contains(t, h.page(), counted("/add", "202")+"1.0\n")
}

// Middleware sees the path of the method, and its headers are sent. What it responds itself is not
// of gRPC: clients know what a status means.
func TestMiddleware(t *testing.T) {
	h := serve(t, nil, func(app *runtime.App) {
		declare(app)
		app.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Path", r.URL.Path)
				if r.Header.Get("X-Refused") != "" {
					http.Error(w, "no", http.StatusForbidden)
					return
				}
				next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
			})
		})
	})
	for _, value := range []string{"1", "-1"} {
		_, s := h.send(t.Context(), modelInfer, frame(check.Value(proto.Marshal(x(t, value)))(t)))
		check.Equal(t, s.header.Get("X-Path"), "/"+modelInfer)
		check.Equal(t, s.header.Get("Grpc-Status") != "", true)
	}
	_, s := h.send(t.Context(), modelInfer, nil, "X-Refused", "yes")
	check.Equal(t, s.message, "HTTP 403 Forbidden")
}

// slowly is a body whose bytes come one by one.
type slowly struct {
	io.Reader
	pause time.Duration
}

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.Reader.Read(p[:1])
}

// The time of a call begins when it arrives.
func TestArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil, declare)
		message := frame(check.Value(proto.Marshal(x(t, "200")))(t))
		begun := time.Now()
		_, s := h.sendFrom(t.Context(), modelInfer, &slowly{bytes.NewReader(message), 900 * time.Millisecond / time.Duration(len(message)+1)}, "Grpc-Timeout", "1S")
		check.Equal(t, s.code.String(), "DeadlineExceeded")
		check.Equal(t, time.Since(begun), time.Second)
	})
}

// A path of an API below the prefix is not the protocol's, which has none, unless both are the same.
func TestPrefixes(t *testing.T) {
	check.OK(t, newApp(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }, func(app *runtime.App) {
		runtime.Handle(app, "x", func(context.Context, point) (int, error) { return 1, nil }, runtime.Route("/grpc.health.v1.Health/Check"))
	}).Check())
	err := newApp(func(c *config.Config) { c.HTTP.PathPrefix = "/grpc.health.v1.Health" }, func(app *runtime.App) {
		runtime.Handle(app, "x", func(context.Context, point) (int, error) { return 1, nil }, runtime.Route("/Check"))
	}).Check()
	check.Contains(t, errors.Join(err, errors.New("")).Error(), `API "x" has the route /Check, which is the protocol's (/grpc.health.v1.Health/{method})`)
}

// Fields that are not known, or have another type, are left out, as protobuf has it; and messages
// in several parts are merged.
func TestOtherFields(t *testing.T) {
	h := serve(t, nil, declare)
	sent := check.Value(proto.Marshal(x(t, "1")))(t)
	for _, more := range []string{"\xf8\x07\x01", "\x08\x01", "\x28\x01", "\x3d\x01\x01\x01\x01"} {
		body, s := h.send(t.Context(), modelInfer, frame(append([]byte(more), sent...)))
		check.Equal(t, s.String(), "OK ")
		out := &messages.ModelInferResponse{}
		check.OK(t, proto.Unmarshal(body[5:], out))
		check.Equal(t, text(t, out), added)
	}
}
