package runtime_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func genAI(c *config.Config) { c.Metrics.Conventions = []string{"gen_ai"} }

// chat yields five chunks of one token: the first after 200 ms, the others after 100 ms
// each. It calls the model that the text names, and stops at the chunk that it names.
func chat(ctx context.Context, in text) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		model, stop, _ := strings.Cut(in.Text, " ")
		told := runtime.GenAI(ctx).Model(model)
		time.Sleep(100 * time.Millisecond)
		for i := range 5 {
			if time.Sleep(100 * time.Millisecond); stop == fmt.Sprint(i) {
				yield("", runtime.Errorf(http.StatusBadGateway, "the model has left"))
				return
			}
			told.Tokens(7, i+1)
			if !yield("token ", nil) {
				return
			}
		}
	}
}

// genAISums returns the sums of the conventions of generative models.
func genAISums(s *server) string {
	return strings.ReplaceAll(s.samples("gen_ai_", "_sum"), "gen_ai_", "")
}

// embed is a function without a stream. It calls the API that the text names.
func embed(ctx context.Context, in text) ([]int, error) {
	told := runtime.GenAI(ctx).Operation("embeddings").Provider("tei").Model("bge")
	time.Sleep(time.Second)
	switch in.Text {
	case "late":
		time.Sleep(time.Hour)
	case "bad":
		return nil, runtime.Errorf(http.StatusNotFound, "no such language")
	}
	told.Tokens(3, 0)
	return []int{1}, nil
}

// A run of a task is recorded as a request is.
func TestGenAIOfTasks(t *testing.T) {
	_, h := tasked(t, func(ctx context.Context, in text) (string, error) {
		runtime.GenAI(ctx).Model("gemma").Tokens(3, 4)
		return upper(ctx, in)
	}, genAI)
	for _, one := range []string{"abc", "boom"} {
		awaitTask(t, h, submit(t, h, `{"text":"`+one+`"}`))
	}
	metrics := response(h, "GET", "/metrics", "").Body.String()
	for _, want := range []string{`gen_ai_client_token_usage_sum{[^}]*"gemma"[^}]*"input"[^}]*} 6\.0`, `gen_ai_client_token_usage_sum{[^}]*"gemma"[^}]*"output"[^}]*} 8\.0`,
		`gen_ai_server_request_duration_seconds_count{gen_ai[^}]*"gemma"[^}]*} 1\.0`, `gen_ai_server_request_duration_seconds_count{error_type="500",[^}]*"gemma"[^}]*} 1\.0`} {
		if !regexp.MustCompile(want).MatchString(metrics) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

// llm is an app with a function of each kind. "front" calls the others in process.
func llm() *runtime.App {
	app := newApp("LLM", settings(genAI))
	below := app.AddService("Below")
	runtime.HandleStream(app, "chat", chat)
	runtime.Handle(app, "embed", embed)
	runtime.HandleBatch(app, "batch", func(ctx context.Context, in []string) ([]int, error) {
		runtime.GenAI(ctx).Tokens(1, 1) // has no effect
		runtime.GenAI(batcher.ItemContext(ctx, 0)).Tokens(-1, 9)
		return make([]int, len(in)), nil
	}, runtime.ItemsField("text"))
	chats, embeds := runtime.HandleStream(below, "chat", chat), runtime.Handle(below, "embed", embed)
	runtime.Handle(app, "front", func(ctx context.Context, in text) (n int, err error) {
		switch in.Text {
		case "chat":
			for _, err = range chats.Call(ctx, text{Text: "gemma"}) {
				n++
			}
		case "embed":
			_, err = embeds.Call(ctx, text{})
		}
		return n, err
	})
	return app
}

const (
	chatLabels  = `operation_name="chat",provider_name="ekiben",request_model="gemma"`
	embedLabels = `operation_name="embeddings",provider_name="tei",request_model="bge"`
	chatSums    = `client_token_usage_sum{` + chatLabels + `,token_type="input"} 7.0
client_token_usage_sum{` + chatLabels + `,token_type="output"} 5.0
server_request_duration_seconds_sum{` + chatLabels + `} 0.6
server_time_per_output_token_seconds_sum{` + chatLabels + `} 0.1
server_time_to_first_token_seconds_sum{` + chatLabels + `} 0.2
`
	embedSums = `client_token_usage_sum{` + embedLabels + `,token_type="input"} 3.0
server_request_duration_seconds_sum{` + embedLabels + `} 1.0
`
)

// The conventions of generative models have the values of our own families, exactly.
func TestGenAI(t *testing.T) {
	for name, test := range map[string]struct{ path, body, want string }{
		"a stream": {"/chat", "gemma", chatSums},
		"a stream that fails in the middle": {"/chat", "gemma 2", `client_token_usage_sum{` + chatLabels + `,token_type="input"} 7.0
client_token_usage_sum{` + chatLabels + `,token_type="output"} 2.0
server_request_duration_seconds_sum{error_type="error",` + chatLabels + `} 0.4
`},
		"a stream that fails at once": {"/chat", "gemma 0", `server_request_duration_seconds_sum{error_type="502",` + chatLabels + "} 0.2\n"},
		"no stream":                   {"/embed", "a", embedSums},
		"an error":                    {"/embed", "bad", `server_request_duration_seconds_sum{error_type="404",` + embedLabels + "} 1.0\n"},
		"a timeout":                   {"/embed", "late", `server_request_duration_seconds_sum{error_type="504",` + embedLabels + "} 60.0\n"},
		"in process":                  {"/front", "chat", chatSums},
		"in process, no stream":       {"/front", "embed", embedSums},
		"an item of a batch": {"/batch", "a", `client_token_usage_sum{operation_name="chat",provider_name="ekiben",token_type="output"} 9.0
server_request_duration_seconds_sum{operation_name="chat",provider_name="ekiben"} 0.0
`},
		"a function that tells nothing":    {"/front", "nothing", ""},
		"a request that is not understood": {"/chat", `"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servePipe(t, llm())
				_, _ = s.try(http.MethodPost, test.path, `{"text":"`+test.body+`"}`)
				check.Equal(t, genAISums(s), test.want)
				time.Sleep(2 * time.Hour)
				check.Equal(t, genAISums(s), test.want)
			})
		})
	}
}

// A stream whose client leaves, or that reaches a limit, is an error of its own type.
func TestGenAIStreamThatIsCut(t *testing.T) {
	for reason, cut := range map[string]func(*testing.T, *http.Response){
		"disconnect": func(t *testing.T, res *http.Response) { check.OK(t, res.Body.Close()) },
		"duration":   func(*testing.T, *http.Response) {},
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp("LLM", settings(func(c *config.Config) {
					genAI(c)
					if reason == "duration" {
						c.Traffic.Stream.MaxDuration = 250 * time.Millisecond
					}
				}))
				runtime.HandleStream(app, "chat", chat)
				s := servePipe(t, app)
				res := check.Value(s.http.Post(s.url+"/chat", "application/json", strings.NewReader(`{"text":"gemma"}`)))(t)
				cut(t, res)
				time.Sleep(time.Second)
				check.Contains(t, genAISums(s), `server_request_duration_seconds_sum{error_type="`+reason+`",operation_name="chat"`)
				_ = res.Body.Close()
			})
		})
	}
}

// Without the convention, GenAI has no effect.
func TestGenAIWithoutConvention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("LLM")
		runtime.Handle(app, "embed", func(ctx context.Context, in text) ([]int, error) {
			if runtime.GenAI(ctx) != nil {
				t.Error("it is not nil")
			}
			return embed(ctx, in)
		})
		s := servePipe(t, app)
		s.post("/embed", `{}`).want(t, 200, "[1]")
		check.Equal(t, genAISums(s), "")
		if runtime.GenAI(t.Context()).Model("a").Operation("b").Provider("c").Tokens(1, 1) != nil {
			t.Error("outside of functions it is not nil")
		}
	})
}
