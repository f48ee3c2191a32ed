package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ekiben-serving/ekiben/examples/embeddings/minilm"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// served returns the URL of the service. Tests that need it are skipped without the model.
func served(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(minilm.Folder(), minilm.GraphFile)); err != nil {
		t.Skip("no model: go run ./fetch gets it")
	}
	cfg := config.Default()
	cfg.Metrics.Conventions = append(cfg.Metrics.Conventions, "gen_ai")
	app := runtime.New("Embedder", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err := declare(app); err != nil {
		t.Fatal(err)
	}
	handler, err := app.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// post sends JSON and decodes the response, which must have the status, into out.
func post(t *testing.T, url, body string, status int, out any) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s: %d %s, %v", body, response.StatusCode, content, err)
	}
	if err := json.Unmarshal(content, out); err != nil {
		t.Fatalf("%s: %s: %v", body, content, err)
	}
}

func cosine(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// Texts of like meaning are near each other, alone and in a list.
func TestEncode(t *testing.T) {
	url := served(t)
	var all [][]float32
	post(t, url+"/encode", `{"texts": ["A cat sits on the mat.", "A kitten rests on a rug.", "Stocks fell today."]}`, 200, &all)
	if near, far := cosine(all[0], all[1]), cosine(all[0], all[2]); near < 0.6 || far > 0.2 {
		t.Errorf("cosines: %g and %g", near, far)
	}
	var one []float32
	post(t, url+"/encode", `{"texts": "A cat sits on the mat."}`, 200, &one)
	if same := cosine(all[0], one); math.Abs(same-1) > 1e-5 {
		t.Errorf("alone: %g", same)
	}
	var none [][]float32
	post(t, url+"/encode", `{"texts": []}`, 200, &none)
	long := strings.Repeat("word ", 300)
	post(t, url+"/encode", fmt.Sprintf(`{"texts": [%q, %q]}`, long, long+"more"), 200, &all)
	if same := cosine(all[0], all[1]); math.Abs(same-1) > 1e-5 {
		t.Errorf("tokens behind the %dth change the embedding: %g", minilm.MaxTokens, same)
	}
}

// /v1/embeddings takes all four kinds of input, and both formats.
func TestOpenAI(t *testing.T) {
	url := served(t)
	list := func(body string) embeddings {
		t.Helper()
		var got embeddings
		post(t, url+"/v1/embeddings", body, 200, &got)
		if got.Object != "list" || got.Model != "m" || got.Usage.Prompt != got.Usage.Total {
			t.Errorf("%s: %v", body, got)
		}
		return got
	}
	vector := func(one embedding) (v []float32) {
		for _, number := range one.Embedding.([]any) {
			v = append(v, float32(number.(float64)))
		}
		return v
	}
	text := list(`{"model": "m", "input": "hello world"}`)
	want := vector(text.Data[0])
	if len(want) != minilm.Dimensions || text.Usage.Prompt != 4 {
		t.Errorf("%d numbers, %d tokens", len(want), text.Usage.Prompt)
	}
	for _, body := range []string{`["hello world", "x"]`, `[101, 7592, 2088, 102]`, `[[101, 7592, 2088, 102], [101, 102]]`} {
		if same := cosine(want, vector(list(`{"model": "m", "input": ` + body + `}`).Data[0])); math.Abs(same-1) > 1e-5 {
			t.Errorf("%s: %g", body, same)
		}
	}
	short := vector(list(`{"model": "m", "input": "hello world", "dimensions": 64}`).Data[0])
	if length := cosine(short, short); len(short) != 64 || math.Abs(length-1) > 1e-5 {
		t.Errorf("%d numbers of length %g", len(short), length)
	}
	encoded := list(`{"model": "m", "input": "hello world", "encoding_format": "base64"}`).Data[0].Embedding.(string)
	if data, err := base64.StdEncoding.DecodeString(encoded); err != nil || string(data) != string(littleEndian(want)) {
		t.Errorf("base64: %d bytes, %v", len(data), err)
	}
	for body, say := range map[string]string{
		`{"model": "m"}`:                                                `"loc":["input"]`,
		`{"model": "m", "input": []}`:                                   "not empty",
		`{"model": "m", "input": {}}`:                                   "must be a text",
		`{"model": "m", "input": [30522]}`:                              "token 0 must be 0 to 30521, found 30522",
		`{"model": "m", "input": [[]]}`:                                 "must have 1 to 256 tokens, found 0",
		`{"model": "m", "input": "a", "dimensions": 385}`:               "dimensions",
		`{"model": "m", "input": "a", "encoding_format": "little-gem"}`: "encoding_format",
	} {
		var got map[string]any
		post(t, url+"/v1/embeddings", body, 400, &got)
		if content, _ := json.Marshal(got); !strings.Contains(string(content), say) {
			t.Errorf("%s: %s lacks %s", body, content, say)
		}
	}
	if count := sample(t, url, "gen_ai_client_token_usage_count", ""); count == 0 {
		t.Error("no tokens are counted")
	}
}

// sample returns the sum of the series of a metric that have a part, such as a label.
func sample(t *testing.T, url, metric, part string) (sum float64) {
	t.Helper()
	page, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(page.Body)
	_ = page.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, metric+"{") && strings.Contains(line, part) {
			number, _, _ := strings.Cut(strings.TrimSpace(line[strings.LastIndex(line, "}")+1:]), " ") // an exemplar may follow
			value, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			sum += value
		}
	}
	return sum
}

// Texts of many requests share batches.
func TestBatched(t *testing.T) {
	const requests = 64
	url := served(t)
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			var one []float32
			post(t, url+"/encode", `{"texts": "A cat sits on the mat."}`, 200, &one)
		})
	}
	all.Wait()
	if runs := sample(t, url, "bentoml_service_adaptive_batch_size_count", `"encode"`); runs == 0 || runs >= requests {
		t.Errorf("%d requests took %g runs", requests, runs)
	}
}
