package real

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// TestOpenInference calls the example over the Open Inference Protocol with Triton's client: JSON
// and binary tensors, and what it must refuse.
func TestOpenInference(t *testing.T) {
	port := freePort(t)
	start(t, local(port)+"/readyz", command(t, "ekiben", append([]string{"serve"}, sets([]string{"http.host=127.0.0.1", "http.port=" + strconv.Itoa(port), "http.open_inference=true", "app.version=1.2"})...)...))
	got := prints(t, need(t, "triton"), "testdata/inference.py", strings.TrimPrefix(local(port), "http://"))
	encoded := got["encode True (3,)"]
	for key, want := range map[string]any{
		"live":        true,
		"ready":       true,
		"model ready": []any{true, false},
		"server":      map[string]any{"name": "Summarization", "version": "1.2", "extensions": []any{"binary_tensor_data"}},
		"model": map[string]any{
			"name": "encode", "versions": []any{"1.2"}, "platform": "ekiben",
			"inputs":  []any{map[string]any{"name": "texts", "datatype": "BYTES", "shape": []any{-1.0}}},
			"outputs": []any{map[string]any{"name": "output", "datatype": "FP32", "shape": []any{-1.0, -1.0}}},
		},
		"no model":            `404 model "no": must be one of [summarize, encode]`,
		"wrong type":          `400 input "texts": datatype must be BYTES, found FP32`,
		"wrong name":          `400 input "text": must be one of texts; input "texts": must be there`,
		"encode True (3, 1)":  encoded,
		"encode False (3,)":   encoded,
		"encode False (3, 1)": encoded,
		"gzip":                "One.",
		"deflate":             "415 The request body must be sent plain or compressed with gzip or zstd, found Content-Encoding: deflate",
	} {
		if !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
	if list, _ := encoded.([]any); len(list) != 4 || list[0] != "float32" || list[1] != 3.0 || list[3] != "7" {
		t.Errorf("encoded: %v", encoded)
	}
}

// TestOpenInferenceGRPC calls the example over gRPC, with raw elements by Triton's client and typed
// ones by MLServer's, and by MLServer's command over HTTP.
func TestOpenInferenceGRPC(t *testing.T) {
	port := freePort(t)
	start(t, local(port)+"/readyz", command(t, "ekiben", append([]string{"serve"}, sets([]string{"http.host=127.0.0.1", "http.port=" + strconv.Itoa(port), "http.open_inference=true", "http.open_inference_grpc=true", "app.version=1.2"})...)...))
	python, address := need(t, "triton"), strings.TrimPrefix(local(port), "http://")
	got := prints(t, python, "testdata/inference_grpc.py", address)
	for key, want := range map[string]any{
		"live":        true,
		"ready":       true,
		"model ready": true,
		"server":      map[string]any{"name": "Summarization", "version": "1.2"},
		"model": map[string]any{
			"name": "encode", "versions": []any{"1.2"}, "platform": "ekiben",
			"inputs":  []any{map[string]any{"name": "texts", "datatype": "BYTES", "shape": []any{"-1"}}},
			"outputs": []any{map[string]any{"name": "output", "datatype": "FP32", "shape": []any{"-1", "-1"}}},
		},
		"no model":   `StatusCode.NOT_FOUND model "no": must be one of [summarize, encode]`,
		"no version": `StatusCode.NOT_FOUND model "encode": version must be one of [1.2], found "7"`,
		"wrong type": `StatusCode.INVALID_ARGUMENT input "texts": datatype must be BYTES, found FP32`,
		"deflate":    `StatusCode.UNIMPLEMENTED grpc-encoding must be identity or gzip, found "deflate"`,
		"not there":  "StatusCode.UNIMPLEMENTED there is no such method of inference.GRPCInferenceService",
		"encode":     []any{"float32", 3.0, "7"},
	} {
		if !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
	typed := prints(t, python, "testdata/inference_typed.py", address)
	for key, want := range map[string]any{
		"encode":         []any{"float32", 3.0, "8"},
		"vectors":        got["vectors"],
		"by the command": got["vectors"],
		"no contents":    `StatusCode.INVALID_ARGUMENT input "texts": bytes_contents must have 3 elements, as shape says, found 0`,
	} {
		if !reflect.DeepEqual(typed[key], want) {
			t.Errorf("MLServer's client: %s: got %v, want %v", key, typed[key], want)
		}
	}
}
