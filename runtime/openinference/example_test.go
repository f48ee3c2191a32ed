package openinference_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	_ "github.com/ekiben-serving/ekiben/runtime/openinference"
)

// A batchable API is a model whose tensors have a row for each item.
func Example() {
	cfg := config.Default()
	cfg.HTTP.OpenInference = true
	cfg.Logging.AccessLog.Enabled = false
	app := runtime.New("Lengths", runtime.WithConfig(cfg))
	runtime.HandleBatch(app, "lengths", func(_ context.Context, texts []string) ([]float32, error) {
		var lengths []float32
		for _, text := range texts {
			lengths = append(lengths, float32(len(text)))
		}
		return lengths, nil
	}, runtime.ItemsField("texts"))

	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	request := `{"inputs":[{"name":"texts","datatype":"BYTES","shape":[2],"data":["one","three"]}]}`
	res, err := http.Post(server.URL+"/v2/models/lengths/infer", "application/json", strings.NewReader(request))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(string(body))
	// Output: {"model_name":"lengths","outputs":[{"name":"output","datatype":"FP32","shape":[2],"data":[3,5]}]}
}
