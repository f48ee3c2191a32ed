package openinferencegrpc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/messages"
)

const (
	modelInfer  = "inference.GRPCInferenceService/ModelInfer"
	healthCheck = "grpc.health.v1.Health/Check"
)

// A wrong message names what is wrong, and what would be right.
func TestWrongMessages(t *testing.T) {
	h := serve(t, nil, declare)
	for in, want := range map[string]string{
		``:                                     `NotFound model "": must be one of [echo, add, double]`,
		`model_name: "add/.."`:                 `NotFound model "add/..": must be one of [echo, add, double]`,
		`model_name: "no"`:                     `NotFound model "no": must be one of [echo, add, double]`,
		`model_name: "add" model_version: "7"`: `NotFound model "add": has no versions, because app.version is not set, found "7"`,
		`model_name: "add"`:                    `InvalidArgument input "x": must be there`,
		`model_name: "add" inputs {name: "x" datatype: "FP32" shape: 1}`:                                                              `InvalidArgument input "x": fp32_contents must have 1 elements, as shape says, found 0`,
		`model_name: "add" inputs {name: "x" datatype: "FP32" shape: 1 contents {fp64_contents: 1}}`:                                  `InvalidArgument input "x": the elements of FP32 must be in fp32_contents, found fp64_contents`,
		`model_name: "add" inputs {name: "x" datatype: "FP16" shape: 1 contents {fp32_contents: 1}}`:                                  `InvalidArgument input "x": the elements of FP16 must be in raw_input_contents`,
		`model_name: "add" inputs {name: "x" datatype: "REAL" shape: 1 contents {fp32_contents: 1}}`:                                  `InvalidArgument input "x": datatype must be one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES, found "REAL"`,
		`model_name: "add" inputs {name: "x" datatype: "FP32" shape: 1} raw_input_contents: "1234" raw_input_contents: ""`:            "InvalidArgument raw_input_contents must be at most 1, found more",
		`model_name: "add" inputs {name: "x" datatype: "FP32" shape: 1 contents {fp32_contents: 1}} raw_input_contents: "1234"`:       `InvalidArgument input "x": must have no contents, because the request has raw_input_contents`,
		`model_name: "add" inputs {name: "x" datatype: "FP32" shape: 1} raw_input_contents: "123"`:                                    `InvalidArgument input "x": must have 4 bytes, 4 for each of 1 elements, found 3`,
		`model_name: "add" inputs {name: "x" datatype: "FP32" shape: 1 contents {fp32_contents: nan}}`:                                `InvalidArgument input "x": element 0 must be a finite number, found NaN`,
		`model_name: "add" inputs {name: "x" datatype: "FP32" shape: -1 contents {fp32_contents: 1}}`:                                 `InvalidArgument input "x": shape must say how many elements there are, found [-1]`,
		`model_name: "double" inputs {name: "x" datatype: "FP32" shape: 2147483647 contents {fp32_contents: 1}} outputs {name: "no"}`: "ResourceExhausted The request body must be at most 104857600 bytes",
	} {
		check.Equal(t, infer(t, h, request(t, in)), want)
	}
}

// A message that cannot be read is a request to the path of its method. It is counted, as the
// call is.
func TestUnreadable(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.MaxBodySize = 100 }, declare)
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	_, err := packer.Write(make([]byte, 1<<20))
	check.Must(t, err, packer.Close())
	compressed := frame(bomb.Bytes())
	compressed[0] = 1
	cut := frame([]byte("12345"))[:7]
	for _, row := range []struct {
		body   []byte
		header []string
		want   string
	}{
		{frame([]byte("\x0f\xff")), nil, "InvalidArgument the message must be protobuf: "},
		{cut, nil, "InvalidArgument a message must have 5 bytes, as it says, found 2"},
		{nil, nil, "InvalidArgument a message must begin with 5 bytes that say its length, found 0"},
		{frame(make([]byte, 101)), nil, "ResourceExhausted The request body must be at most 100 bytes"},
		{compressed[:105], []string{"Grpc-Encoding", "gzip"}, "ResourceExhausted The request body must be at most 100 bytes"},
		{frame(nil), []string{"Grpc-Encoding", "snappy"}, `Unimplemented grpc-encoding must be identity or gzip, found "snappy"`},
		{append([]byte{2}, frame(nil)[1:]...), nil, `Unimplemented a message must begin with a byte of 0, or of 1 with grpc-encoding gzip; found 2 with grpc-encoding ""`},
	} {
		_, s := h.send(t.Context(), modelInfer, row.body, row.header...)
		if !strings.HasPrefix(s.String(), row.want) {
			t.Errorf("%.40q: got %s, want %s", row.body, s, row.want)
		}
	}
	own := "/" + modelInfer
	check.Contains(t, h.page(), counted(own, "400")+"3.0\n", counted(own, "413")+"2.0\n", counted(own, "501")+"2.0\n",
		`rpc_server_call_duration_seconds_count{rpc_method="inference.GRPCInferenceService/ModelInfer",rpc_response_status_code="INVALID_ARGUMENT",rpc_system_name="grpc",service_name="Points",service_version="not available"} 3.0`,
		`rpc_server_call_duration_seconds_count{error_type="UNIMPLEMENTED",rpc_method="inference.GRPCInferenceService/ModelInfer",rpc_response_status_code="UNIMPLEMENTED",rpc_system_name="grpc",service_name="Points",service_version="not available"} 2.0`)
}

// The bodies of calls count for http.max_bodies, and give their share back.
func TestMaxBodies(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.MaxBodies = 1 << 16 }, declare)
	_, s := h.send(t.Context(), modelInfer, frame(make([]byte, 1<<17)))
	check.Equal(t, s.String(), "Unavailable The server has no memory for the request body at the moment")
	check.Equal(t, s.header.Get("Retry-After"), "1")
	check.Contains(t, h.page(), counted("/"+modelInfer, "503")+"1.0\n", `ekiben_traffic_refused_total{reason="memory",runner_name="Points",service_name="Points",service_version="not available"} 1.0`)
	for range 100 {
		check.Equal(t, infer(t, h, x(t, "1")), `model_name:"add" outputs:{name:"output" datatype:"FP64" shape:1 contents:{fp64_contents:2}}`)
	}
}

// A call needs what a request needs. Health is open to everybody, as the probes are.
func TestGuards(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.Auth.BearerTokens = config.NewSecret("secret-token-of-a-test") }, declare)
	check.Equal(t, infer(t, h, x(t, "1")), "Unauthenticated Unauthorized")
	check.Equal(t, infer(t, h, x(t, "1"), "Authorization", "Bearer secret-token-of-a-test"), `model_name:"add" outputs:{name:"output" datatype:"FP64" shape:1 contents:{fp64_contents:2}}`)
	_, s := h.send(t.Context(), modelInfer, frame([]byte("\x0f")))
	check.Equal(t, s.String(), "Unauthenticated Unauthorized")
	_, s = h.send(t.Context(), "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", frame(nil))
	check.Equal(t, s.String(), "Unauthenticated Unauthorized")
	_, s = h.send(t.Context(), healthCheck, frame(nil))
	check.Equal(t, s.String(), "OK ")
	check.Contains(t, h.page(), counted("/"+modelInfer, "401")+"2.0\n", counted("/readyz", "200")+"1.0\n",
		`rpc_server_call_duration_seconds_count{rpc_method="inference.GRPCInferenceService/ModelInfer",rpc_response_status_code="UNAUTHENTICATED",rpc_system_name="grpc",service_name="Points",service_version="not available"} 2.0`)
}

// The deadline of a caller ends its request, and a client that leaves is counted as one.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(c *config.Config) { c.Metrics.ClientClosed = 499 }, declare)
		sent := frame(check.Value(proto.Marshal(x(t, "200")))(t))
		begun := time.Now()
		_, s := h.send(context.Background(), modelInfer, sent, "Grpc-Timeout", "20m")
		check.Equal(t, s.code, codes.DeadlineExceeded)
		check.Equal(t, time.Since(begun), 20*time.Millisecond)
		ctx, leave := context.WithTimeout(context.Background(), time.Second)
		defer leave()
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second/2, cancel)
		_, s = h.send(ctx, modelInfer, sent)
		check.Equal(t, s.code, codes.Canceled)
		check.Contains(t, h.page(), counted("/add", "504")+"1.0\n", counted("/add", "499")+"1.0\n",
			`rpc_response_status_code="DEADLINE_EXCEEDED"`, `rpc_response_status_code="CANCELLED"`)
	})
}

// Health says what /readyz says.
func TestHealth(t *testing.T) {
	ready := true
	h := serve(t, nil, func(app *runtime.App) {
		declare(app)
		app.SetReadiness(func(context.Context) error {
			if !ready {
				return io.ErrUnexpectedEOF
			}
			return nil
		})
	})
	for service, want := range map[string]string{"": "\x08\x01", "\n\x1einference.GRPCInferenceService": "\x08\x01"} {
		body, s := h.send(t.Context(), healthCheck, frame([]byte(service)))
		check.Equal(t, s.String()+string(body), "OK "+string(frame([]byte(want))))
	}
	_, s := h.send(t.Context(), healthCheck, frame([]byte("\n\x02no")))
	check.Equal(t, s.String(), `NotFound service must be empty, inference.GRPCInferenceService or grpc.health.v1.Health, found "no"`)
	_, s = h.send(t.Context(), "grpc.health.v1.Health/Watch", frame(nil))
	check.Equal(t, s.String(), "Unimplemented there is no such method of grpc.health.v1.Health")
	ready = false
	body, s := h.send(t.Context(), healthCheck, frame(nil))
	check.Equal(t, s.String()+string(body), "OK "+string(frame([]byte("\x08\x02"))))
	check.Equal(t, call(t, h, "ServerReady", &messages.ServerReadyRequest{}, &messages.ServerReadyResponse{}), "")
}

// A function that panics fails its own call.
func TestPanic(t *testing.T) {
	h := serve(t, nil, func(app *runtime.App) {
		runtime.Handle(app, "add", func(context.Context, point) (int, error) { panic("no") })
	})
	check.Equal(t, infer(t, h, x(t, "1")), "Internal An unexpected error has occurred, please check the server log.")
}

// Whatever a client sends, its call ends with a code, and is one request.
func FuzzCall(f *testing.F) {
	valid, err := proto.Marshal(x(f, "1"))
	check.Must(f, err)
	f.Add(frame(valid), "", "")
	f.Add(frame(valid), "gzip", "1S")
	f.Add(append(frame(valid), 0), "identity", "1")
	f.Add([]byte{1, 255, 255, 255, 255, 0}, "gzip", "99999999H")
	h := serve(f, func(c *config.Config) { c.HTTP.MaxBodySize = 1 << 16 }, func(app *runtime.App) {
		runtime.Handle(app, "add", func(_ context.Context, in point) (float64, error) { return float64(in.X), nil })
	})
	f.Fuzz(func(t *testing.T, body []byte, encoding, timeout string) {
		for _, value := range []string{encoding, timeout} {
			if strings.ContainsAny(value, "\r\n\x00") {
				t.Skip("no header")
			}
		}
		_, s := h.send(t.Context(), modelInfer, body, "Grpc-Encoding", encoding, "Grpc-Timeout", timeout)
		switch s.code {
		case codes.OK, codes.InvalidArgument, codes.NotFound, codes.ResourceExhausted, codes.Unimplemented, codes.DeadlineExceeded:
		default:
			t.Errorf("%s", s)
		}
	})
}

// recorder has no Flush, as a writer of middleware may.
type recorder struct{ http.ResponseWriter }

// A server of the user's own, whose writer is wrapped, serves calls too.
func TestWrappedWriter(t *testing.T) {
	h := serve(t, nil, declare)
	w := httptest.NewRecorder()
	wrapped := handler{http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { h.ServeHTTP(recorder{w}, r) })}
	wrapped.send(t.Context(), modelInfer, frame(check.Value(proto.Marshal(x(t, "1")))(t)))
	check.Equal(t, w.Result().Trailer.Get("Grpc-Status"), "0")
}
