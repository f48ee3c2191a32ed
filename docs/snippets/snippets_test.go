// Package snippets_test compiles the Go code of the documentation, and checks that
// each block of it is here.
package snippets_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben"
	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/documents"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

type Input struct {
	Text string `json:"text" minLength:"1" doc:"What to shout."`
}

func shout(_ context.Context, in Input) (string, error) {
	return strings.ToUpper(in.Text), nil
}

func declare(app *runtime.App) error {
	runtime.Handle(app, "shout", shout)
	return nil
}

type encoder struct{}

func (encoder) Encode(_ context.Context, texts []string) ([][]float32, error) {
	return make([][]float32, len(texts)), nil
}
func (encoder) Generate(context.Context, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("token", nil) }
}
func (encoder) Summarize(_ context.Context, text string) (string, error) { return text, nil }
func (encoder) Ready(context.Context) error                              { return nil }
func (encoder) Alive(context.Context) error                              { return nil }
func (encoder) Load(context.Context) error                               { return nil }
func (encoder) Save(context.Context) error                               { return nil }

var (
	model encoder
	known = map[string]string{"a": "b"}
)

func batch(app *runtime.App) {
	runtime.HandleBatch(app, "encode", func(ctx context.Context, texts []string) ([][]float32, error) {
		return model.Encode(ctx, texts)
	}, runtime.Batching(batcher.Config{MaxBatchSize: 32, MaxLatency: 200 * time.Millisecond}), runtime.ItemsField("texts"))
}

func task(app *runtime.App) *runtime.TaskAPI[Input, string] {
	summarize := runtime.HandleTask(app, "summarize", func(ctx context.Context, in Input) (string, error) {
		return model.Summarize(ctx, in.Text) // may take an hour
	})
	return summarize
}

func more(app *runtime.App) {
	runtime.Handle(app, "lookup", func(_ context.Context, in Input) (string, error) {
		found, ok := known[in.Text]
		if !ok {
			return "", runtime.Errorf(http.StatusNotFound, "no text %q", in.Text)
		}
		return found, nil
	})
	app.OnStart(model.Load)
	app.SetReadiness(model.Ready)
}

func tokens(app *runtime.App) {
	type Prompt struct {
		Text string `json:"text"`
	}
	runtime.HandleStream(app, "complete", func(ctx context.Context, in Prompt) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			told, generated := runtime.GenAI(ctx).Operation("text_completion").Model("gemma-3-4b"), 0
			for token, err := range model.Generate(ctx, in.Text) {
				generated++
				told.Tokens(len(in.Text)/4, generated)
				if !yield(token, err) || err != nil {
					return
				}
			}
		}
	})
}

// The life of a service, as docs/lifecycle.md has it.
func life(app *runtime.App, encode *runtime.API[Input, string]) {
	app.OnStart(func(ctx context.Context) error {
		return model.Load(ctx)
	})
	app.Warm(func(ctx context.Context) error {
		_, err := encode.Call(ctx, Input{Text: "warm"})
		return err
	})
	app.Live(model.Alive)
	app.OnStop(func(ctx context.Context) error {
		return model.Save(ctx)
	})
}

func run(ctx context.Context, timeout string) error {
	defaults := config.Default()
	defaults.Traffic.MaxConcurrency = 16
	source := config.FromEnvironment()
	if timeout != "" {
		source.Set = append(source.Set, config.Setting{Key: "traffic.timeout", Value: timeout, From: "--timeout"})
	}
	app := runtime.New("Shouter", runtime.WithConfig(defaults), runtime.WithSource(source))
	runtime.Handle(app, "shout", shout)
	return app.Run(ctx)
}

func served(ctx context.Context) error {
	app := runtime.New("Shouter", runtime.WithSource(config.FromEnvironment()))
	runtime.Handle(app, "shout", shout)
	err := app.Run(ctx)
	return err
}

func configured() *runtime.App {
	app := runtime.New("Shouter", runtime.WithSource(config.FromEnvironment()))
	return app
}

// A documented program reports a port that is in use, and reads its configuration as
// documented.
func TestRunIsConfigured(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("EKIBEN_HTTP__HOST", "127.0.0.1")
	t.Setenv("EKIBEN_HTTP__PORT", "0")
	t.Setenv("EKIBEN_CONFIG", "none.yaml")
	ended, end := context.WithCancel(t.Context())
	end()
	check.Error(t, run(ended, ""), "EKIBEN_CONFIG: none.yaml: no such file")
	t.Setenv("EKIBEN_CONFIG", "")
	check.Error(t, run(ended, "-1"), "--timeout: traffic.timeout: must be 0 or at least 1ms, found -1")
	check.OK(t, run(ended, "1"))
}

// The first program of the README is short.
func TestFirstProgramIsShort(t *testing.T) {
	blocks := check.Value(documents.Blocks(root, "go"))(t)
	if lines := strings.Count(blocks[0].Text, "\n"); blocks[0].Document != "README.md" || lines > 25 {
		t.Errorf("%s:%d has %d lines", blocks[0].Document, blocks[0].Line, lines)
	}
}

func TestShout(t *testing.T) {
	app := runtime.New("Shouter")
	if err := declare(app); err != nil {
		t.Fatal(err)
	}
	handler, err := app.Handler()
	if err != nil {
		t.Fatal(err)
	}
	defer app.Shutdown(context.Background())
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest("POST", "/shout", strings.NewReader(`{"text": "hello"}`)))
	if response.Body.String() != "HELLO" {
		t.Errorf("got %d %s", response.Code, response.Body)
	}
}

// A test with a token in code.
func TestToken(t *testing.T) {
	cfg := config.Default()
	cfg.HTTP.Auth.BearerTokens = config.NewSecret("token") // requests need Authorization: Bearer token
	cfg.Traffic.Timeout = 50 * time.Millisecond
	app := runtime.New("Shouter", runtime.WithConfig(cfg))
	check.Must(t, declare(app))
	response := httptest.NewRecorder()
	check.Value(app.Handler())(t).ServeHTTP(response, httptest.NewRequest("POST", "/shout", strings.NewReader(`{"text": "hello"}`)))
	check.Equal(t, response.Code, http.StatusUnauthorized)
	check.OK(t, app.Shutdown(t.Context()))
}

func histogram(app *runtime.App) (metric.Float64Histogram, error) {
	latency, err := app.Meter().Float64Histogram("inference_time_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time taken for inference"), metric.WithExplicitBucketBoundaries(0.1, 0.5, 1))
	return latency, err
}

// migrated is the service of docs/migrating.md.
func migrated(app *runtime.App) error {
	runtime.Handle(app, "summarize", func(_ context.Context, in struct {
		Text string `json:"text"`
	}) (string, error) {
		runes := []rune(in.Text) // a Python str has characters
		return string(runes[:min(len(runes), 20)]), nil
	})
	runtime.HandleBatch(app, "encode", func(_ context.Context, texts []string) ([]int, error) {
		lengths := make([]int, len(texts))
		for i, text := range texts {
			lengths[i] = utf8.RuneCountInString(text)
		}
		return lengths, nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 32}), runtime.ItemsField("texts"))
	return nil
}

// Services of one process, as the README has them.
func lengths(app *runtime.App) {
	type Texts struct {
		Texts []string `json:"texts"`
	}
	type Text struct {
		Text string `json:"text"`
	}
	encodeTexts := func(_ context.Context, in Texts) (map[string]int, error) {
		return map[string]int{"texts": len(in.Texts)}, nil
	}
	encoder := app.AddService("Encoder")
	encode := runtime.Handle(encoder, "encode", encodeTexts)
	runtime.Handle(app, "lengths", func(ctx context.Context, in Text) (map[string]int, error) {
		lengths, err := encode.Call(ctx, Texts{Texts: []string{in.Text}})
		return lengths, err
	})
}

func fewer(app *runtime.App) {
	runtime.HandleBatch(app, "encode", func(ctx context.Context, texts []string) ([][]float32, error) {
		return model.Encode(ctx, texts)
	}, runtime.Batching(batcher.Config{MaxBatchSize: 32}), runtime.ItemsField("texts"))
}

func count(ctx context.Context, app *runtime.App) error {
	type outcome struct {
		Status string `label:"status"`
	}
	requests, err := instrument.NewCounter[outcome](app.Meter(), "summary_requests_total", instrument.Help("Total number of summarization requests"))
	requests.Add(ctx, outcome{Status: "success"}, 1)
	return err
}

func silent() {
	ekiben.SilenceSDK()
}

type (
	Features struct{}
	Label    struct{}
)

func predict(context.Context, string, Features) (Label, error) { return Label{}, nil }

func routed(app *runtime.App) {
	runtime.Handle(app, "predict", func(ctx context.Context, in Features) (Label, error) {
		model := runtime.RequestFrom(ctx).PathValue("model")
		runtime.ResponseFrom(ctx).SetHeader("Cache-Control", "no-store")
		runtime.Logger(ctx).Info("predict", "model", model) // with the ids of the request and its trace
		return predict(ctx, model, in)
	}, runtime.Route("/models/{model}/predict"), runtime.Timeout(5*time.Second), runtime.MaxConcurrency(8))
}

type (
	Prompt struct {
		Text string `json:"text" minLength:"1"`
	}
	Delta struct{}
)

func answer(context.Context, Prompt, string) iter.Seq2[runtime.Event[Delta], error] { return nil }

func streams(app *runtime.App) {
	runtime.HandleStream(app, "generate", func(ctx context.Context, in Prompt) iter.Seq2[string, error] {
		return model.Generate(ctx, in.Text)
	})
	generate := runtime.HandleStream(app, "generate", func(ctx context.Context, in Prompt) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for token, err := range model.Generate(ctx, in.Text) {
				if !yield(token, err) || err != nil {
					return // the client has left, or a limit was reached
				}
			}
		}
	})
	runtime.HandleEvents(app, "chat", func(ctx context.Context, in Prompt) iter.Seq2[runtime.Event[Delta], error] {
		after := runtime.RequestFrom(ctx).LastEventID() // "": a first connection
		return answer(ctx, in, after)
	}, runtime.Heartbeat(15*time.Second), runtime.DoneEvent("[DONE]"), runtime.ErrorEvent("error"))
	ctx := context.Background()
	for token, err := range generate.Call(ctx, Prompt{Text: "hello"}) {
		_, _ = token, err
	}
}

func showUser(http.ResponseWriter, *http.Request) {}

func mounts(app *runtime.App) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", showUser)
	mux.Handle("GET /ws", websocket.Handler(func(ctx context.Context, conn *websocket.Conn) error {
		for {
			prompt, err := conn.ReadText()
			if err != nil {
				return err // io.EOF: the client has closed the socket
			}
			for token, err := range model.Generate(ctx, prompt) {
				if err != nil {
					return err
				}
				if err := conn.WriteText(token); err != nil {
					return err
				}
			}
		}
	}))
	app.Mount("/app", mux)
}

func tested() *httptest.ResponseRecorder {
	app := runtime.New("Shouter")
	runtime.Handle(app, "shout", shout)
	handler, err := app.Handler()
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest("POST", "/shout", strings.NewReader(`{"text": "hello"}`)))
	_ = err
	return response
}

func uploads() {
	app := runtime.New("Studio")
	var recogniser interface {
		Transcribe(ctx context.Context, audio io.Reader, speed float64) (string, error)
	}
	type Recording struct {
		Audio runtime.File   `json:"audio" contentType:"audio/*"`
		Cover *runtime.Image `json:"cover"` // optional, because it is a pointer
		Speed float64        `json:"speed" default:"1"`
	}

	runtime.Handle(app, "transcribe", func(ctx context.Context, in Recording) (string, error) {
		return recogniser.Transcribe(ctx, in.Audio.Reader(), in.Speed)
	})
}

var _ = []any{uploads, batch, more, life, tokens, histogram, lengths, fewer, count, run, silent, routed, streams, task, mounts, tested, configured, served}

// Every block of Go in the documentation compiles: a whole program by itself, another
// block since it is in the code above, where … matches any code. integration/real: TestWalkthrough compiles
// that of the walkthrough.
func TestSnippetsCompile(t *testing.T) {
	own := check.Value(os.ReadFile("snippets_test.go"))(t)
	code := squeeze(string(own))
	blocks, err := documents.Blocks(root, "go")
	check.Must(t, err)
	for _, block := range blocks {
		switch {
		case block.Document == documents.Walkthrough: // whose test needs ONNX Runtime
			continue
		case strings.HasPrefix(block.Text, "package main"):
			compile(t, block)
			continue
		}
		parts := strings.Split(squeeze(block.Text), "…")
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		if !regexp.MustCompile(strings.Join(parts, ".{0,80}")).MatchString(code) {
			t.Errorf("%s:%d: this block is not compiled:\n%s", block.Document, block.Line, block.Text)
		}
	}
}

// compile compiles a program with go vet, which does not link it.
func compile(t *testing.T, block documents.Block) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	check.Must(t, os.WriteFile(file, []byte(block.Text), 0o600))
	cmd := exec.Command("go", "vet", file)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: %v\n%s", block.Document, block.Line, err, out)
	}
}

// squeeze removes indentation and line ends.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }
