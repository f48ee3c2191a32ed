package real

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/documents"
)

var (
	declared = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Example|Fuzz)\w*)\(`)
	ofRun    = regexp.MustCompile(`^(Test|Example|Fuzz)`)
)

// TestDocumentedTests checks that each documented go test selects a test or a
// benchmark. CI runs all of them anyway.
func TestDocumentedTests(t *testing.T) {
	for _, command := range shown(t, "go test") {
		folder, text := command.Folder()
		args := documents.Words(text)
		names, selected := testsOf(t, folder, args), 0
		for flag, kind := range map[string]*regexp.Regexp{"-run": ofRun, "-bench": regexp.MustCompile("^Benchmark")} {
			pattern, given := value(args, flag)
			if !given {
				if flag == "-bench" {
					continue
				}
				pattern = "."
			}
			// go test matches the parts of a pattern between slashes one by one.
			first, err := regexp.Compile(strings.Split(pattern, "/")[0])
			if err != nil {
				t.Errorf("%s: %v", command, err)
				continue
			}
			found := slices.ContainsFunc(names, func(name string) bool { return kind.MatchString(name) && first.MatchString(name) })
			if !found && pattern != "^$" {
				t.Errorf("%s: %s %s selects nothing", command, flag, pattern)
			}
			if found {
				selected++
			}
		}
		if selected == 0 {
			t.Errorf("%s: there is nothing to run", command)
		}
	}
}

// testsOf returns the names of the tests and benchmarks in the packages of a go
// test command.
func testsOf(t *testing.T, folder string, args []string) (names []string) {
	t.Helper()
	packages := 0
	for _, arg := range append(args, ".") {
		at := filepath.Join(root, folder, strings.TrimSuffix(arg, "..."))
		if arg == "." && packages > 0 || arg != "." && !strings.HasPrefix(arg, "./") {
			continue
		}
		packages++
		err := filepath.WalkDir(at, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && path != filepath.Clean(at) && !strings.HasSuffix(arg, "...") {
				return fs.SkipDir
			}
			if strings.HasSuffix(path, "_test.go") {
				for _, name := range declared.FindAllStringSubmatch(read(t, path), -1) {
					names = append(names, name[1])
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	return names
}

// TestDocumentedBenchmarks runs each documented benchmark program, for a shorter
// time.
func TestDocumentedBenchmarks(t *testing.T) {
	short := map[string]struct {
		flags  []string
		prints string
	}{
		"./integration/bench":            {[]string{"--rounds=1", "--seconds=1", "--sizes=16"}, "\n| 16 B "},
		"./integration/bench/models":     {[]string{"--rounds=1", "--seconds=0.5", "--warm=0.1", "--clients=8", "--texts=1"}, "\n## The ceiling\n"},
		"./integration/bench/push":       {[]string{"--rounds=1", "--each=200ms"}, "\n| collector "},
		"./integration/chaos":            {[]string{"--requests=2000", "--calm"}, "\nunexplained: 0\n"},
		"./integration/chaos --restarts": {[]string{"--restarts=2"}, "\nunexplained: 0\n"},
		"./integration/chaos --soak":     {[]string{"--soak=12s"}, "\nunexplained: 0\n"},
		"./integration/kills":            {[]string{"--tasks=40", "--kills=2"}, "\n40 tasks, 2 kills, "},
		"./batcher/sim":                  {[]string{"-requests=200", "-write="}, "\n| 10 + 0.1·n, 32 "},
		"./integration/bench/batching":   {[]string{"-rounds=1", "-each=300ms", "-warm=100ms", "-alone"}, "\nekiben  "},
	}
	_, noLoad := exec.LookPath("wrk")
	_, noCompiler := exec.LookPath("cc")
	for _, command := range shown(t, "go run") {
		args := documents.Words(command.Text)
		less, found := short[strings.Join(args[2:min(4, len(args))], " ")]
		if !found {
			less, found = short[args[2]]
		}
		if !found {
			t.Errorf("%s: this test does not know the program", command)
			continue
		}
		if args[2] == "./integration/bench/models" && noCompiler != nil {
			t.Logf("skipped: %s, which needs a C compiler", command)
			continue
		}
		out, err := typed(t, ".", append(args, less.flags...)...)
		if args[2] == "./integration/bench" && noLoad != nil {
			if !strings.Contains(out, "bench: wrk must be on the PATH") {
				t.Errorf("%s does not say that it needs wrk: %v\n%s", command, err, out)
			}
			continue
		}
		if err != nil || !strings.Contains("\n"+out, less.prints) {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}

// TestDocumentedHelm renders the charts that the documentation installs.
func TestDocumentedHelm(t *testing.T) {
	folder, rendered := assets(t), ""
	for _, documented := range shown(t, "helm") {
		args := documents.Words(strings.ReplaceAll(documented.Text, "=assets/", "="+folder+"/"))
		if args[1] != "install" {
			t.Errorf("%s: only an installation can be rendered", documented)
			continue
		}
		if file, given := value(args, "--values"); given {
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %v", documented, err)
			}
		}
		if !strings.HasPrefix(args[3], "deploy/") {
			continue // not our chart
		}
		cmd := command(t, "helm", append([]string{"template"}, args[2:]...)...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", documented, err, out)
		}
		config := configFile(t, text(objectOf(t, string(out), "ConfigMap", "bento-ekiben"), "data", "config.yaml"))
		if out, err := tool(t, "ekiben", "check", config); err != nil {
			t.Errorf("%s: the service refuses the configuration: %v\n%s", documented, err, out)
		}
		rendered += string(out)
	}
	for _, kind := range []string{"Deployment", "ScaledObject", "PodMonitor", "PrometheusRule"} {
		if !strings.Contains(rendered, "\nkind: "+kind+"\n") {
			t.Errorf("no %s is installed", kind)
		}
	}
}

// shown returns the documented commands of a tool, each once.
func shown(t *testing.T, tool string) []documents.Command {
	t.Helper()
	commands, err := documents.Commands(root, tool)
	if err != nil || len(commands) == 0 {
		t.Fatalf("no document has a command of %s: %v", tool, err)
	}
	slices.SortStableFunc(commands, func(a, b documents.Command) int { return strings.Compare(a.Text, b.Text) })
	return slices.CompactFunc(commands, func(a, b documents.Command) bool { return a.Text == b.Text })
}

// typed runs a command in a folder below the root.
func typed(t *testing.T, folder string, args ...string) (string, error) {
	t.Helper()
	cmd := program(args[0], args[1:]...)
	cmd.Dir = filepath.Join(root, folder)
	cmd.Env = append(cmd.Env, "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// value returns the argument after a flag.
func value(args []string, flag string) (string, bool) {
	for i, arg := range args[:len(args)-1] {
		if arg == flag {
			return args[i+1], true
		}
	}
	return "", false
}
