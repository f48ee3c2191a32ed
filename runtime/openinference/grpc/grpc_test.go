package openinferencegrpc_test

import (
	"context"
	"math"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/messages"
)

// everything has a field of each datatype.
type everything struct {
	Bool    []bool    `json:"bool"`
	Int8    []int8    `json:"int8"`
	Int16   []int16   `json:"int16"`
	Int32   []int32   `json:"int32"`
	Int64   []int64   `json:"int64"`
	Uint8   uint8     `json:"uint8"`
	Uint16  []uint16  `json:"uint16"`
	Uint32  []uint32  `json:"uint32"`
	Uint64  []uint64  `json:"uint64"`
	Float32 []float32 `json:"float32"`
	Float64 []float64 `json:"float64"`
	Bytes   [][]byte  `json:"bytes"`
}

type point struct {
	X float32 `json:"x"`
}

func declare(app *runtime.App) {
	runtime.Handle(app, "echo", func(_ context.Context, in everything) (everything, error) { return in, nil })
	runtime.Handle(app, "add", func(ctx context.Context, in point) (float64, error) {
		runtime.ResponseFrom(ctx).SetHeader("X-Model", "m")
		if in.X < 0 {
			return 0, &runtime.Error{Status: 503, Message: "x is negative: " + strings.Repeat("é", 2000), RetryAfter: time.Second}
		}
		if in.X > 100 {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return float64(in.X) + 1, nil
	})
	runtime.HandleBatch(app, "double", func(_ context.Context, in []point) ([]float32, error) {
		out := make([]float32, len(in))
		for i := range in {
			out[i] = 2 * in[i].X
		}
		return out, nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 3, Policy: batcher.PolicyWindow, Window: time.Minute}))
}

func request(t testing.TB, text string) *messages.ModelInferRequest {
	t.Helper()
	in := &messages.ModelInferRequest{}
	check.Must(t, prototext.Unmarshal([]byte(text), in))
	return in
}

// x is a request to add.
func x(t testing.TB, value string) *messages.ModelInferRequest {
	return request(t, `model_name: "add" inputs {name: "x" datatype: "FP32" shape: 1 contents {fp32_contents: `+value+`}}`)
}

func infer(t testing.TB, h handler, in *messages.ModelInferRequest, header ...string) string {
	t.Helper()
	return call(t, h, "ModelInfer", in, &messages.ModelInferResponse{}, header...)
}

// Each method has its response, and its count.
func TestMethods(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.App.Version, c.HTTP.PathPrefix = "1.2", "/ml" }, declare)
	for _, row := range []struct {
		method  string
		in, out proto.Message
		want    string
	}{
		{"ServerLive", &messages.ServerLiveRequest{}, &messages.ServerLiveResponse{}, "live:true"},
		{"ServerReady", &messages.ServerReadyRequest{}, &messages.ServerReadyResponse{}, "ready:true"},
		{"ModelReady", &messages.ModelReadyRequest{Name: "add"}, &messages.ModelReadyResponse{}, "ready:true"},
		{"ModelReady", &messages.ModelReadyRequest{Name: "add", Version: "7"}, &messages.ModelReadyResponse{}, "NotFound there is no such model, or not of this version"},
		{"ServerMetadata", &messages.ServerMetadataRequest{}, &messages.ServerMetadataResponse{}, `name:"Points" version:"1.2"`},
		{"ModelMetadata", &messages.ModelMetadataRequest{Name: "double", Version: "1.2"}, &messages.ModelMetadataResponse{}, `name:"double" versions:"1.2" platform:"ekiben" inputs:{name:"x" datatype:"FP32" shape:-1} outputs:{name:"output" datatype:"FP32" shape:-1}`},
		{"ModelMetadata", &messages.ModelMetadataRequest{Name: "no"}, &messages.ModelMetadataResponse{}, `NotFound model "no": must be one of [echo, add, double]`},
		{"ModelMetadata", &messages.ModelMetadataRequest{}, &messages.ModelMetadataResponse{}, `NotFound model "": must be one of [echo, add, double]`},
		{"ModelInfer", x(t, "2"), &messages.ModelInferResponse{}, `model_name:"add" model_version:"1.2" outputs:{name:"output" datatype:"FP64" shape:1 contents:{fp64_contents:3}}`},
	} {
		check.Equal(t, call(t, h, row.method, row.in, row.out), row.want)
	}
	for sample, want := range map[string]string{
		counted("/ml/livez", "200"): "1", counted("/ml/readyz", "200"): "2", counted("/ml/readyz", "404"): "1", counted("/ml/add", "200"): "1",
		counted("/inference.GRPCInferenceService/ServerMetadata", "200"): "1", counted("/inference.GRPCInferenceService/ModelMetadata", "200"): "1", counted("/inference.GRPCInferenceService/ModelMetadata", "404"): "2",
	} {
		check.Contains(t, h.page("/ml"), strings.Replace(sample, "not available", "1.2", 1)+want+".0\n")
	}
}

// Elements of each datatype arrive and return, typed as well as raw.
func TestElements(t *testing.T) {
	h := serve(t, nil, declare)
	typed := request(t, `model_name: "echo" id: "7"
		inputs {name: "bool" datatype: "BOOL" shape: 2 contents {bool_contents: [true, false]}}
		inputs {name: "int8" datatype: "INT8" shape: 1 contents {int_contents: -128}}
		inputs {name: "int16" datatype: "INT16" shape: 1 contents {int_contents: -32768}}
		inputs {name: "int32" datatype: "INT32" shape: 1 contents {int_contents: -2147483648}}
		inputs {name: "int64" datatype: "INT64" shape: 2 contents {int64_contents: [-9223372036854775808, 9007199254740993]}}
		inputs {name: "uint8" datatype: "UINT8" shape: 1 contents {uint_contents: 255}}
		inputs {name: "uint16" datatype: "UINT16" shape: 1 contents {uint_contents: 65535}}
		inputs {name: "uint32" datatype: "UINT32" shape: 1 contents {uint_contents: 4294967295}}
		inputs {name: "uint64" datatype: "UINT64" shape: 1 contents {uint64_contents: 18446744073709551615}}
		inputs {name: "float32" datatype: "FP32" shape: 2 contents {fp32_contents: [0.1, 3.4028235e38]}}
		inputs {name: "float64" datatype: "FP64" shape: 2 contents {fp64_contents: [0.1, 1.7976931348623157e308]}}
		inputs {name: "bytes" datatype: "BYTES" shape: 2 contents {bytes_contents: ["a", "\xff"]}}`)
	out := &messages.ModelInferResponse{}
	infer(t, h, typed)
	body, s := h.send(t.Context(), "inference.GRPCInferenceService/ModelInfer", frame(check.Value(proto.Marshal(typed))(t)))
	check.Equal(t, s.code.String(), "OK")
	check.Must(t, proto.Unmarshal(body[5:], out))
	check.Equal(t, out.Id, "7")
	raw := &messages.ModelInferRequest{ModelName: "echo"}
	for i, one := range out.Outputs {
		sent := typed.Inputs[i]
		check.Equal(t, one.GetName()+" "+one.GetDatatype()+text(t, one.GetContents()), sent.GetName()+" "+sent.GetDatatype()+text(t, sent.GetContents()))
		raw.Inputs = append(raw.Inputs, &messages.ModelInferRequest_InferInputTensor{Name: sent.GetName(), Datatype: sent.GetDatatype(), Shape: sent.GetShape()})
	}
	raw.RawInputContents = [][]byte{{1, 0}, {0x80}, {0, 0x80}, {0, 0, 0, 0x80}, {0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0x20, 0}, {255}, {255, 255}, {255, 255, 255, 255}, {255, 255, 255, 255, 255, 255, 255, 255},
		{0, 0, 0x80, 0x3f, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0}, []byte("\x01\x00\x00\x00a\x01\x00\x00\x00\xff")}
	body, s = h.send(t.Context(), "inference.GRPCInferenceService/ModelInfer", frame(check.Value(proto.Marshal(raw))(t)))
	check.Equal(t, s.String(), "OK ")
	out = &messages.ModelInferResponse{}
	check.Must(t, proto.Unmarshal(body[5:], out))
	check.Equal(t, out.RawOutputContents, raw.RawInputContents)
	if len(out.Outputs) != 12 || out.Outputs[0].Contents != nil {
		t.Errorf("outputs: %v", out.Outputs)
	}
}

// A request for some outputs gets these.
func TestRequestedOutputs(t *testing.T) {
	h := serve(t, nil, func(app *runtime.App) {
		type two struct {
			A int64  `json:"a"`
			B string `json:"b"`
		}
		runtime.Handle(app, "two", func(context.Context, struct{}) (two, error) { return two{1, "b"}, nil })
	})
	check.Equal(t, infer(t, h, request(t, `model_name: "two" outputs {name: "b"}`)), `model_name:"two" outputs:{name:"b" datatype:"BYTES" shape:1 contents:{bytes_contents:"b"}}`)
	check.Equal(t, infer(t, h, request(t, `model_name: "two" outputs {name: "c"}`)), `InvalidArgument output "c": must be one of a, b`)
}

// Calls of both protocols are in one batch, and a call without rows needs none.
func TestBatches(t *testing.T) {
	h := serve(t, nil, declare)
	var clients sync.WaitGroup
	clients.Go(func() {
		got := infer(t, h, request(t, `model_name: "double" inputs {name: "x" datatype: "FP32" shape: [2, 1] contents {fp32_contents: [1, 2]}}`))
		check.Equal(t, got, `model_name:"double" outputs:{name:"output" datatype:"FP32" shape:2 contents:{fp32_contents:2 fp32_contents:4}}`)
	})
	clients.Go(func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/double", strings.NewReader(`{"items":[{"x":3}]}`)))
		check.Equal(t, w.Body.String(), "[6]")
	})
	clients.Wait()
	check.Contains(t, h.page(), counted("/double", "200")+"2.0\n", `ekiben_batch_items_sum{method_name="double",runner_name="Points",service_name="Points",service_version="not available"} 3.0`)
	got := infer(t, h, request(t, `model_name: "double" inputs {name: "x" datatype: "FP32" shape: 0}`))
	check.Equal(t, got, `model_name:"double" outputs:{name:"output" datatype:"FP32" shape:0 contents:{}}`)
}

// What an app says in headers of its response is in the metadata of a call, also of one that failed.
func TestMetadata(t *testing.T) {
	h := serve(t, nil, declare)
	sent := frame(check.Value(proto.Marshal(x(t, "1")))(t))
	_, s := h.send(t.Context(), "inference.GRPCInferenceService/ModelInfer", sent, "X-Request-Id", "r7")
	check.Equal(t, s.header.Get("X-Model"), "m")
	check.Equal(t, s.header.Get("X-Bentoml-Request-Id") != "", true)
	sent = frame(check.Value(proto.Marshal(x(t, "-1")))(t))
	_, s = h.send(t.Context(), "inference.GRPCInferenceService/ModelInfer", sent)
	check.Equal(t, s.header.Get("Retry-After"), "1")
	check.Equal(t, s.String(), "Unavailable "+("x is negative: " + strings.Repeat("é", 2000))[:1999]+"…")
}

// The key needs the import, and the paths of the methods are taken.
func TestErrors(t *testing.T) {
	app := newApp(nil, func(app *runtime.App) {
		runtime.Handle(app, "x", func(context.Context, point) (int, error) { return 1, nil }, runtime.Route("/inference.GRPCInferenceService/ModelInfer"))
	})
	check.Error(t, app.Check(), `http.open_inference_grpc: API "x" has the route /inference.GRPCInferenceService/ModelInfer, which is the protocol's (/inference.GRPCInferenceService/{method}); give it another`)
	defer protocol.OpenInferenceGRPC.Remove()()
	check.Error(t, newApp(nil, declare).Check(), `http.open_inference_grpc: needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/runtime/openinference/grpc"`)
}

// Other requests with the path of a method are refused.
func TestOtherRequests(t *testing.T) {
	h := serve(t, nil, declare)
	for _, change := range [][2]string{{"GET", "application/grpc"}, {"POST", "application/json"}, {"POST", "application/grpc-web"}} {
		r := httptest.NewRequest(change[0], "/inference.GRPCInferenceService/ModelInfer", strings.NewReader("{}"))
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", change[1])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		check.Equal(t, w.Body.String(), `{"error":"A call must be POST over HTTP/2, with the content type application/grpc"}`)
		check.Equal(t, w.Code, 415)
	}
	_, s := h.send(t.Context(), "inference.GRPCInferenceService/ModelStreamInfer", frame(nil))
	check.Equal(t, s.String(), "Unimplemented there is no such method of inference.GRPCInferenceService")
	check.Contains(t, h.page(), counted("/inference.GRPCInferenceService/ModelInfer", "415")+"3.0\n")
}

// Numbers that JSON does not have are refused.
func TestNotFinite(t *testing.T) {
	h := serve(t, nil, declare)
	in := x(t, "1")
	in.Inputs[0].Contents.Fp32Contents[0] = float32(math.Inf(1))
	check.Equal(t, infer(t, h, in), `InvalidArgument input "x": element 0 must be a finite number, found +Inf`)
}
