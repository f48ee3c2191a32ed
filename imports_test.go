package ekiben_test

import (
	"cmp"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ekiben-serving/ekiben/"

// rules lists what the packages of a folder may import of this module, and why not
// more. The rule with the longest matching folder applies. Tests may import
// anything.
var rules = []struct {
	folder  string
	allowed []string
	because string
}{
	{".", []string{"runtime", "runtime/config", "exporters/otlp/grpc", "exporters/prometheus/webconfig"}, "a program is an app, a configuration and the exporters that it links"},
	{"cmd", []string{".", "deploy", "examples/", "exporters/prometheus", "internal/migrate", "runtime", "views"}, "the command line holds no logic that a library user would miss"},
	{"examples", []string{"batcher", "examples/", "runtime"}, "an example shows the public API"},
	{"examples/embeddings", []string{".", "batcher", "examples/embeddings/minilm", "runtime"}, "a program of its own module, as a user writes it"},
	{"examples/embeddings/minilm", nil, "a model, whoever serves it"},
	{"examples/embeddings/fetch", []string{"examples/embeddings/minilm"}, "it makes the files of the model"},
	{"examples/vision", []string{".", "batcher", "examples/vision/detector", "runtime"}, "a program of its own module, as a user writes it"},
	{"examples/vision/detector", nil, "a model, whoever serves it"},
	{"examples/vision/fetch", []string{"examples/vision/detector"}, "it makes the files of the model"},
	{"runtime", []string{"batcher", "exporters/", "internal/linked", "internal/turns", "runtime/", "tasks", "views"}, "the runtime connects the parts"},
	{"runtime/config", []string{"batcher", "exporters/", "runtime/config/internal/", "views"}, "configuration knows the Config types of the parts and nothing that runs"},
	{"runtime/config/internal", []string{"runtime/config/internal/"}, "reading and translating files needs no structs"},
	{"runtime/instrument", []string{"exporters/prometheus"}, "instruments know the metric API and the exporter's rules for names"},
	{"runtime/internal/accesslog", []string{"runtime/config"}, "a line of the log knows its request and no service"},
	{"runtime/internal/apidocs", []string{"runtime/internal/static", "runtime/internal/ui", "runtime/internal/wire"}, "documents describe an app that they are told of"},
	{"runtime/internal/alarm", nil, "a timer knows what to call and nothing else"},
	{"runtime/internal/auth", []string{"runtime/config"}, "who may pass, whatever is behind"},
	{"runtime/internal/background", nil, "it runs functions, whatever they do"},
	{"runtime/internal/body", nil, "bytes of a request, without knowing what they mean"},
	{"runtime/internal/closing", nil, "it runs functions and knows nothing of what they close"},
	{"runtime/internal/conns", nil, "a connection knows that a request is in flight, and nothing else of it"},
	{"runtime/internal/cors", []string{"runtime/config"}, "CORS is middleware like any other"},
	{"runtime/internal/grpcwire", nil, "bytes and codes, without calls"},
	{"runtime/internal/hijacked", nil, "a connection is drained and cut, whatever it is for"},
	{"runtime/internal/inference", []string{"runtime/internal/protocol", "runtime/internal/tensors"}, "models, whoever is asked for them"},
	{"runtime/internal/images", nil, "pixels, without requests"},
	{"runtime/internal/lines", nil, "bytes on their way to a reader, whatever they say"},
	{"runtime/internal/listening", nil, "a socket and where it comes from, whatever is served on it"},
	{"runtime/internal/logguard", nil, "a handler around another one"},
	{"runtime/internal/loghandler", []string{"runtime/config"}, "a layout knows records, whoever writes them"},
	{"runtime/internal/pattern", nil, "a route is compared with a path and knows no handler"},
	{"runtime/internal/settings", []string{"runtime/config", "runtime/internal/accesslog", "runtime/internal/watch"}, "settings know their sources, not what they are for"},
	{"runtime/internal/perclient", nil, "numbers and limits of addresses"},
	{"runtime/internal/protocol", []string{"internal/linked", "runtime/internal/wire"}, "another protocol knows layouts and bodies, no app"},
	{"runtime/internal/proxies", []string{"runtime/config"}, "an address is found in a request, whatever it is used for"},
	{"runtime/internal/pushes", []string{"exporters/otlp", "runtime/config"}, "pushes know their configuration and no service"},
	{"runtime/internal/slow", []string{"runtime/internal/static"}, "it keeps what it is told of requests and knows no service"},
	{"runtime/internal/sse", nil, "the format of events"},
	{"runtime/internal/slots", []string{"internal/turns"}, "a number and a limit"},
	{"runtime/internal/sockethost", nil, "a key of a context and what is behind it"},
	{"runtime/internal/static", nil, "fixed responses know nothing"},
	{"runtime/internal/telemetry", []string{"batcher", "exporters/", "internal/scopeattr", "runtime/config", "tasks", "views"}, "telemetry counts what it is told and knows no handler"},
	{"runtime/internal/tensors", []string{"runtime/internal/wire"}, "tensors and layouts, without HTTP"},
	{"runtime/internal/tlsfiles", []string{"runtime/config", "runtime/internal/watch"}, "files to a TLS configuration"},
	{"runtime/internal/tracing", []string{"batcher", "exporters/otlp", "runtime/config", "runtime/internal/telemetry"}, "spans know requests and batches, no service"},
	{"runtime/internal/ui", nil, "an HTML document and its files know no service"},
	{"runtime/internal/watch", nil, "watching files needs nothing of what is in them"},
	{"runtime/internal/wire", nil, "bytes to values: it knows neither HTTP nor metrics"},
	{"runtime/openinference", []string{"runtime/internal/inference", "runtime/internal/protocol", "runtime/internal/tensors"}, "a protocol, which a program links only if it imports it"},
	{"runtime/openinference/grpc", []string{"runtime/internal/grpcwire", "runtime/internal/inference", "runtime/internal/protocol", "runtime/internal/tensors"}, "the same over gRPC, which a program links only if it imports it; generated messages are for tests"},
	{"runtime/profiles", []string{"internal/linked"}, "the process, whatever it serves; a program links it only if it imports it"},
	{"runtime/websocket", []string{"runtime/internal/sockethost"}, "a socket finds its app through the context, and works without one"},
	{"runtime/internal/tasking", []string{"tasks"}, "it runs functions that are stored, and knows no app"},
	{"tasks", nil, "what a store must do, which needs nothing that runs"},
	{"tasks/sqlite", []string{"tasks"}, "a store, which a program links only if it imports it"},
	{"tasks/postgres", []string{"tasks"}, "a store, which a program links only if it imports it"},
	{"tasks/storetest", []string{"tasks"}, "it knows what every store promises"},
	{"exporters", []string{"exporters/", "internal/scopeattr"}, "an exporter sits between the SDK and the wire and knows no service"},
	{"exporters/otlp/grpc", []string{"exporters/otlp"}, "a protocol of the exporter, which a program links only if it imports it"},
	{"exporters/prometheus/webconfig", []string{"internal/linked"}, "a file format of the admin door, which a program links only if it imports it"},
	{"deploy", []string{"views"}, "files, and the namespace in them"},
	{"internal/callorder", nil, "it counts calls in any package"},
	{"internal/check", nil, "tests of all folders use it"},
	{"internal/documents", nil, "it reads text, for tests"},
	{"internal/licences", nil, "it reads other people's modules"},
	{"internal/migrate", nil, "it reads anybody's metrics and knows nothing of ours"},
	{"internal/progress", nil, "a line on a terminal, of any program"},
	{"internal/linked", nil, "parts that an import brings, whoever asks for them"},
	{"internal/turns", nil, "an order of whatever waits"},
	{"internal/scopeattr", nil, "names of attributes"},
	{"internal/supply", nil, "it reads what tools print of any program"},
	{"views", []string{"internal/scopeattr"}, "views are pure functions, for other people's providers too"},
	{"batcher", []string{"batcher/internal/core", "internal/turns"}, "the batcher knows no HTTP and no telemetry"},
	{"batcher/sim", []string{"batcher/internal/core", "internal/progress"}, "a program around the batcher's decisions, without the batcher's clock"},
	{"integration/real/missing", []string{"integration/real"}, "it says what the tests beside it lack"},
	{"integration", []string{".", "batcher", "exporters/", "internal/progress", "runtime", "tasks/", "views"}, "whole programs use the public API"},
}

// forbidden lists imports of other modules that a folder must not have.
var forbidden = map[string][]string{
	"batcher":            {"go.opentelemetry.io", "github.com", "net/http"},
	"views":              {"net/http", "github.com/prometheus/client_golang"},
	"runtime/instrument": {"go.opentelemetry.io/otel/sdk"},
}

// linked lists modules that only the programs that import a folder link, besides those of
// integration, which nobody builds upon.
var linked = map[string]string{
	"github.com/coder/websocket":                 "runtime/websocket",
	"github.com/prometheus/exporter-toolkit/web": "exporters/prometheus/webconfig",
}

func TestImportsRunOneWay(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			check(t, filepath.ToSlash(filepath.Dir(path)), path, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, folder, path, imported string) {
	t.Helper()
	for room, prefixes := range forbidden {
		for _, prefix := range prefixes {
			if within(folder, room) && strings.HasPrefix(imported, prefix) && !strings.HasPrefix(imported, module) {
				t.Errorf("%s imports %s, which %s must not", path, imported, room)
			}
		}
	}
	if room, ok := linked[imported]; ok && room != folder && !within(folder, "integration") {
		t.Errorf("%s imports %s, which only %s may", path, imported, room)
	}
	own, ok := strings.CutPrefix(imported+"/", module)
	if !ok {
		return
	}
	own = cmp.Or(strings.TrimSuffix(own, "/"), ".")
	best := -1
	for i, rule := range rules {
		if within(folder, rule.folder) && (best < 0 || len(rule.folder) > len(rules[best].folder)) {
			best = i
		}
	}
	if best < 0 {
		t.Errorf("%s: no rule says what %s may import; add one with its reason", path, folder)
		return
	}
	for _, prefix := range rules[best].allowed {
		if within(own, strings.TrimSuffix(prefix, "/")) {
			return
		}
	}
	t.Errorf("%s imports %s: %s", path, own, rules[best].because)
}

// within reports whether path is the folder room or below it.
func within(path, room string) bool {
	return path == room || room != "." && strings.HasPrefix(path, room+"/")
}
