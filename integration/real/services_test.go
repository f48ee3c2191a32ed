package real

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// service declares the APIs of a service.
type service func(*runtime.App)

// serve serves a service in this process until the test ends, and returns its
// address. change may be nil.
func serve(t *testing.T, name string, declare service, change func(*config.Config), opts ...runtime.Option) string {
	t.Helper()
	cfg := config.Default()
	cfg.Logging.AccessLog.Enabled = false
	if change != nil {
		change(&cfg)
	}
	app := runtime.New(name, append(opts, runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)))...)
	declare(app)
	handler := check.Value(app.Handler())(t)
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		_ = app.Shutdown(context.WithoutCancel(t.Context()))
	})
	return server.URL + cfg.HTTP.PathPrefix
}

// echo adds an API that returns its input.
func echo[T any](svc *runtime.App, name string) {
	runtime.Handle(svc, name, func(_ context.Context, in T) (T, error) { return in, nil })
}

func shouter(svc *runtime.App) {
	runtime.Handle(svc, "shout", func(_ context.Context, in struct {
		Text string `json:"text"`
	},
	) (string, error) {
		return strings.ToUpper(in.Text), nil
	})
}

// calling has an API that calls a batched API of another service three times. A
// request with held waits for hold.
func calling(hold <-chan struct{}) service {
	return func(front *runtime.App) {
		encoder := front.AddService("Encoder")
		encode := runtime.HandleBatch(encoder, "encode", func(_ context.Context, texts []string) ([]int, error) { return make([]int, len(texts)), nil }, runtime.Batching(batcher.Config{}))
		runtime.Handle(front, "count", func(ctx context.Context, in struct {
			Held bool `json:"held" default:"false"`
		},
		) (int, error) {
			for range 3 {
				if _, err := encode.Call(ctx, []string{"a"}); err != nil {
					return 0, err
				}
			}
			if in.Held {
				<-hold
			}
			return 3, nil
		})
	}
}

// waiting has an API that calls an API of another service, which waits until the
// client hangs up.
func waiting(front *runtime.App) {
	encoder := front.AddService("Encoder")
	wait := runtime.Handle(encoder, "encode", func(ctx context.Context, _ struct{}) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	runtime.Handle(front, "summarize", func(ctx context.Context, in struct{}) (string, error) { return wait.Call(ctx, in) })
}

// measured has APIs of known durations, statuses and batches.
func measured(hold <-chan struct{}) service {
	return func(svc *runtime.App) {
		runtime.Handle(svc, "nap", func(_ context.Context, in struct {
			For int `json:"for" doc:"Milliseconds."`
		},
		) (string, error) {
			time.Sleep(time.Duration(in.For) * time.Millisecond)
			return "rested", nil
		})
		runtime.Handle(svc, "hold", func(context.Context, struct{}) (string, error) { <-hold; return "let go", nil })
		runtime.Handle(svc, "try", func(_ context.Context, in struct {
			Fail bool `json:"fail" default:"false"`
		},
		) (string, error) {
			if in.Fail {
				return "", errors.New("told to fail")
			}
			return "well", nil
		})
		runtime.HandleBatch(svc, "merge", func(_ context.Context, xs []int) ([]int, error) {
			time.Sleep(20 * time.Millisecond)
			return xs, nil
		}, runtime.Batching(batcher.Config{MaxBatchSize: 4}), runtime.ItemsField("xs"))
	}
}

// pictured is the service of docs/page.png: several parameters, batches of several
// requests, some latency and some failures.
func pictured(svc *runtime.App) {
	type input struct {
		Text      string `json:"text" minLength:"1" doc:"The text to shorten." example:"A cat leapt twenty feet into the air to catch a fly. Scientists are looking into it. The town is planning a festival."`
		Sentences int    `json:"sentences" minimum:"1" maximum:"10" default:"2" doc:"How many to keep."`
		Style     string `json:"style" enum:"plain,bullets" default:"plain"`
		Language  string `json:"language,omitempty" pattern:"^[a-z]{2}$" example:"en" doc:"Found out if it is not sent."`
	}
	type output struct {
		Summary string    `json:"summary"`
		Scores  []float64 `json:"scores" doc:"How telling each sentence is."`
	}
	runtime.Handle(svc, "summarize", func(_ context.Context, in input) (output, error) {
		time.Sleep(time.Duration(10+rand.ExpFloat64()*25) * time.Millisecond)
		if in.Text == "fail" {
			return output{}, errors.New("told to fail")
		}
		sentences := strings.SplitAfter(in.Text, ". ")
		kept := sentences[:min(in.Sentences, len(sentences))]
		return output{strings.TrimSpace(strings.Join(kept, "")), []float64{.62, .31, .07}[:min(len(kept), 3)]}, nil
	})
	runtime.HandleBatch(svc, "encode", func(_ context.Context, texts []string) ([][]float64, error) {
		time.Sleep(time.Duration(8+len(texts)) * time.Millisecond)
		vectors := make([][]float64, len(texts))
		for i, text := range texts {
			vectors[i] = []float64{float64(len(text))}
		}
		return vectors, nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 16}), runtime.ItemsField("texts"))
}
