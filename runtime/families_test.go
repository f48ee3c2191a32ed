package runtime_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/coder/websocket"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	_ "github.com/ekiben-serving/ekiben/runtime/openinference/grpc"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

var update = flag.Bool("update", false, "write the table of families into docs/metrics.md")

var labelName = regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)

// everything returns /metrics of an app that uses all features.
func everything(t *testing.T) string {
	t.Helper()
	_, url := collect(t, 0)
	file, files := filepath.Join(t.TempDir(), "config.yaml"), folder{t, t.TempDir()}
	cert, key := newAuthority(t).issue("encoder")
	files.inPlace(0, cert, key)
	check.Must(t, os.WriteFile(file, fmt.Appendf(nil, "ssl: {enabled: true, certfile: %q, keyfile: %q}\ntraffic: {max_concurrency: 9}\nhttp: {open_inference_grpc: true}\nmetrics: {conventions: [bentoml, http, gen_ai, rpc]}\notlp: {enabled: true, endpoint: %q, logs: {enabled: true}}\ntracing: {enabled: true}\nslow: {objective: 1ms}\ntasks: {path: %q}\n", files.ssl().CertFile, files.ssl().KeyFile, url.Reveal(), filepath.Join(t.TempDir(), "tasks.db")), 0o600))
	app := newApp("Encoder", runtime.WithSource(config.Source{File: file}))
	runtime.HandleBatch(app, "encode", func(_ context.Context, in []string) ([]int, error) {
		if in[0] == "panic" {
			panic(in)
		}
		time.Sleep(2 * time.Millisecond) // a slow request has a metric
		return make([]int, len(in)), nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 4}))
	runtime.HandleStream(app, "words", func(ctx context.Context, in text) iter.Seq2[string, error] {
		runtime.GenAI(ctx).Model("gemma").Tokens(1, 2)
		return words(ctx, in)
	})
	app.Warm(func(context.Context) error { return nil })
	app.Mount("/ws", websocket.Handler(func(_ context.Context, conn *websocket.Conn) error {
		text, err := conn.ReadText()
		return errors.Join(err, conn.WriteText(text))
	}))
	runtime.HandleTask(app, "slowly", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	h := handler(t, app)
	talk(t, h)
	callRPC(h, "ServerLive")
	callRPC(h, "Nothing") // an error has one more label
	call(h, http.MethodPost, "/words", `{"text":"a b"}`)
	call(h, http.MethodPost, "/words", `{"text":"gone"}`) // an error has one more label
	for predicted := false; !predicted; predicted = samplesOf(h, "ekiben_batch_misprediction") != "" {
		call(h, http.MethodPost, "/encode", `{"items":["a"]}`)
	}
	call(h, http.MethodPost, "/slowly/submit", `{"text":"a"}`)
	for ended := false; !ended; ended = samplesOf(h, "ekiben_task_run_duration_seconds_count") != "" && samplesOf(h, "ekiben_task_queue_depth") != "" {
	}
	call(h, http.MethodPost, "/encode", `{"items":["panic"]}`) // an error has one more label
	return call(h, http.MethodGet, "/metrics", "")
}

// callRPC calls a method over gRPC, with an empty message.
func callRPC(h http.Handler, method string) {
	r := httptest.NewRequest(http.MethodPost, "/inference.GRPCInferenceService/"+method, strings.NewReader("\x00\x00\x00\x00\x00"))
	r.ProtoMajor = 2
	r.Header.Set("Content-Type", "application/grpc")
	h.ServeHTTP(httptest.NewRecorder(), r)
}

// talk sends a message to the socket /ws and closes it.
func talk(t *testing.T, h http.Handler) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	conn, _, err := client.Dial(t.Context(), server.URL+"/ws", nil)
	check.Must(t, err)
	check.OK(t, conn.Write(t.Context(), client.MessageText, []byte("hello")))
	for err == nil {
		_, _, err = conn.Read(t.Context())
	}
}

// The table of docs/metrics.md lists every family, with its labels.
func TestFamiliesAreDocumented(t *testing.T) {
	table := "| family | type | labels | what it is |\n|---|---|---|---|\n"
	for family := range strings.SplitSeq(strings.TrimPrefix(everything(t), "# HELP "), "\n# HELP ") {
		name, rest, _ := strings.Cut(family, " ")
		help, rest, _ := strings.Cut(rest, "\n")
		if name == "go_memory_limit_bytes" {
			continue // only if GOMEMLIMIT is set
		}
		kind, samples, _ := strings.Cut(strings.TrimPrefix(rest, "# TYPE "+name+" "), "\n")
		var labels []string
		for _, m := range labelName.FindAllStringSubmatch(samples, -1) {
			if label := "`" + m[1] + "`"; m[1] != "le" && !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, ", "), strings.TrimSuffix(help, "."))
	}
	const begin, end = "<!-- begin families, written by go test ./runtime -run Families -update -->\n\n", "\n<!-- end families -->"
	document := filepath.Join("..", "docs", "metrics.md")
	content := check.Value(os.ReadFile(document))(t)
	before, after, found := strings.Cut(string(content), begin)
	old, after, closed := strings.Cut(after, end)
	switch {
	case !found || !closed:
		t.Fatalf("%s lacks its marks", document)
	case *update:
		check.Must(t, os.WriteFile(document, []byte(before+begin+table+end+after), 0o600))
	case old != table:
		t.Errorf("docs/metrics.md has\n%s\nand /metrics has\n%s", old, table)
	}
}
