package snippets_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/examples/summarization"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/documents"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	_ "github.com/ekiben-serving/ekiben/runtime/openinference"
)

const root = "../.."

// runners names the test that runs the commands of each tool, with its folder.
var runners = map[string]string{
	"curl":       "docs/snippets: TestCurl",
	"make":       "docs/snippets: TestMake",
	"ekiben":     "cmd/ekiben: TestDocumentedCommandsRunInScripts", // the scripts are TestScripts'
	"go test":    "integration/real: TestDocumentedTests",
	"go run":     "integration/real: TestDocumentedBenchmarks",
	"helm":       "integration/real: TestDocumentedHelm",
	"docker":     "integration/real: TestDocumentedImages",
	"kind":       "integration/real: TestDocumentedImages",
	"promtool":   "integration/real: TestRules",
	"go mod":     "docs/snippets: TestNewModule",
	"go get":     "docs/snippets: TestNewModule",
	"go run .":   "docs/snippets: TestNewModule",
	"go install": "docs/snippets: TestNewModule",
	"bentoml":    "integration/real: TestMigratingAsDocumented",
	"prometheus": "integration/real: TestDocumentedPrometheus",
}

// A test runs every command of the documentation.
func TestEveryCommandHasARunner(t *testing.T) {
	for _, command := range commands(t) {
		if runners[command.Tool()] == "" {
			t.Errorf("no test runs %s", command)
		}
	}
}

// The tests in runners exist.
func TestRunnersAreThere(t *testing.T) {
	for tool, runner := range runners {
		folder, test, _ := strings.Cut(runner, ": ")
		files := check.Value(filepath.Glob(filepath.Join(root, folder, "*_test.go")))(t)
		found := false
		for _, file := range files {
			content := check.Value(os.ReadFile(file))(t)
			found = found || strings.Contains(string(content), "\nfunc "+test+"(t *testing.T)")
		}
		if !found {
			t.Errorf("%s: there is no %s", tool, runner)
		}
	}
}

// Commands are in blocks of the language console, where the tests look for them.
func TestCommandsStandInConsoles(t *testing.T) {
	for _, language := range []string{"text", "sh", "bash", "shell", "zsh"} {
		blocks := check.Value(documents.Blocks(root, language))(t)
		for _, block := range blocks {
			for line := range strings.Lines(block.Text) {
				tool := documents.Command{Text: strings.TrimPrefix(strings.TrimSpace(line), "$ ") + " x"}.Tool()
				if language != "text" || strings.HasPrefix(line, "$") || runners[tool] != "" {
					t.Errorf("%s:%d: a command in a block of %s; a block of console is tested", block.Document, block.Line, language)
				}
			}
		}
	}
}

// The services of each document respond to its curl commands as shown, in the order
// of the commands.
func TestCurl(t *testing.T) {
	services := map[string]func(*runtime.App) error{
		"README.md":              summarization.Declare,
		"docs/migrating.md":      migrated,
		"docs/open-inference.md": summarization.Declare,
		"docs/getting-started.md": func(app *runtime.App) error {
			runtime.Handle(app, "shout", shout)
			return nil
		},
	}
	handlers := map[string]http.Handler{}
	for _, command := range commands(t, "curl") {
		handler := handlers[command.Document]
		if handler == nil {
			if services[command.Document] == nil {
				t.Errorf("no service answers %s", command)
				continue
			}
			cfg := config.Default()
			cfg.HTTP.OpenInference = command.Document == "docs/open-inference.md"
			app := runtime.New("Documented", runtime.WithConfig(cfg))
			check.Must(t, services[command.Document](app))
			made := check.Value(app.Handler())(t)
			defer app.Shutdown(t.Context())
			handler, handlers[command.Document] = made, made
		}
		got, err := curl(handler, command.Text)
		switch {
		case err != nil:
			t.Errorf("%s: %v", command, err)
		case command.Shown != "" && !documents.Matches(command.Shown, got):
			t.Errorf("%s\nshown:\n%s\nprinted:\n%s", command, command.Shown, got)
		}
	}
}

// curl sends the request of a curl command to handler and returns the output of curl.
// It knows the flags of the documentation, and one grep -E after the command.
func curl(handler http.Handler, command string) (string, error) {
	command, filter, filtered := strings.Cut(command, " | grep -E ")
	method, body, target, header := "", "", "", http.Header{}
	words := documents.Words(command)
	for i := 1; i < len(words); i++ {
		flag := words[i]
		if flag == "-s" {
			continue
		}
		if !strings.HasPrefix(flag, "-") {
			target = flag
			continue
		}
		if i++; i == len(words) {
			return "", fmt.Errorf("nothing follows %s", flag)
		}
		switch flag {
		case "-X":
			method = words[i]
		case "-d":
			body = words[i]
		case "-H":
			name, value, _ := strings.Cut(words[i], ": ")
			header.Set(name, value)
		default:
			return "", fmt.Errorf("%s is no flag that this test knows", flag)
		}
	}
	path, found := strings.CutPrefix(target, "localhost:3000")
	if !found {
		return "", fmt.Errorf("%q is not what the document's service listens on", target)
	}
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header = header
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code == http.StatusNotFound || answer.Body.Len() == 0 {
		return "", fmt.Errorf("%d: %s", answer.Code, answer.Body)
	}
	if !filtered {
		return answer.Body.String(), nil
	}
	pattern, err := regexp.Compile(strings.Trim(filter, "'"))
	if err != nil {
		return "", err
	}
	kept := ""
	for line := range strings.Lines(answer.Body.String()) {
		if pattern.MatchString(line) {
			kept += line
		}
	}
	if kept == "" {
		return "", errors.New("grep keeps nothing")
	}
	return kept, nil
}

// Targets of make in the documentation are in the Makefile, and their commands are
// those of Go or of CI.
func TestMake(t *testing.T) {
	makefile := check.Value(os.ReadFile(filepath.Join(root, "Makefile")))(t)
	for _, command := range commands(t, "make") {
		target := strings.Fields(command.Text)[1]
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `: ##.*\n\t`).Match(makefile) {
			t.Errorf("no target for %s", command)
		}
	}
}

func commands(t *testing.T, tools ...string) []documents.Command {
	t.Helper()
	commands, err := documents.Commands(root, tools...)
	if err != nil || len(commands) == 0 {
		t.Fatalf("no document has a command of %s: %v", tools, err)
	}
	return commands
}
