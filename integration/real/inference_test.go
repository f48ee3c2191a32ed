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
