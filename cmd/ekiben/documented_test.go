package main

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/documents"
)

// short returns a command with the name of the program alone.
func short(command string) string { return strings.TrimPrefix(command, "go run ./cmd/") }

// scripted holds the commands that the scripts of testdata run on every machine.
type scripted struct {
	succeed, fail []string
	compared      []string // commands whose output a script compares with a document
}

func readScripts(t *testing.T) scripted {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var s scripted
	for _, file := range files {
		archive := check.Value(txtar.ParseFile(file))(t)
		s.read(string(archive.Comment))
	}
	return s
}

// read collects the commands of a script. It leaves out those that run only on some
// machines ([exec:zsh] …).
func (s *scripted) read(script string) {
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		for prefix, to := range map[string]*[]string{"exec ": &s.succeed, "serves ": &s.succeed, "typed ": &s.succeed, "! exec ": &s.fail, "documented ": &s.compared} {
			if command, ok := strings.CutPrefix(line, prefix); ok {
				*to = append(*to, command)
			}
		}
	}
}

// runs reports whether a script runs a documented command and expects the documented
// result: success or an error.
func (s *scripted) runs(c documents.Command) bool {
	among := s.succeed
	if strings.HasPrefix(c.Shown, "ekiben: ") {
		among = s.fail
	}
	return slices.ContainsFunc(among, func(command string) bool {
		return command == short(c.Text) || c.Inline && likewise(c.Text, command)
	})
}

// Every command of ekiben in README.md and docs/ runs in a script without changes. A
// script compares the output if the document shows it.
func TestDocumentedCommandsRunInScripts(t *testing.T) {
	scripts := readScripts(t)
	commands, err := documents.Commands(filepath.Join("..", ".."), "ekiben")
	if err != nil || len(commands) < 20 {
		t.Fatal(commands, err)
	}
	for _, c := range commands {
		if !scripts.runs(c) {
			t.Errorf("no script runs %s", c)
		}
		if c.Shown != "" && !slices.Contains(scripts.compared, short(c.Text)) {
			t.Errorf("no script compares what is shown for %s", c)
		}
	}
}

// Every example in the help of a command runs in a script and succeeds.
func TestExamplesOfHelpRunInScripts(t *testing.T) {
	scripts := readScripts(t)
	verbs := reflect.ValueOf(commands{})
	for i := range verbs.NumField() {
		if _, isCommand := verbs.Type().Field(i).Tag.Lookup("cmd"); !isCommand {
			continue
		}
		verb, ok := verbs.Field(i).Interface().(interface{ Help() string })
		if !ok {
			t.Errorf("%s has no help", verbs.Type().Field(i).Name)
			continue
		}
		_, examples, ok := strings.Cut(verb.Help(), "Examples:\n")
		if !ok {
			t.Errorf("%s has no examples", verbs.Type().Field(i).Name)
		}
		for line := range strings.Lines(examples) {
			command := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "source <("), ")")
			command = regexp.MustCompile(` [<>] .*`).ReplaceAllString(command, "")
			if !slices.Contains(scripts.succeed, command) {
				t.Errorf("no script runs the help's %q", command)
			}
		}
	}
}

// Comments and files in a script run nothing, and a failing command does not count as
// a succeeding one.
func TestOnlyWhatRunsCounts(t *testing.T) {
	var s scripted
	s.read("# also ekiben a\n# exec ekiben b\n! exec ekiben c\n[exec:zsh] exec ekiben d\nexec ekiben e\n")
	for _, text := range []string{"ekiben a", "ekiben b", "ekiben c", "ekiben d"} {
		if s.runs(documents.Command{Text: text}) {
			t.Errorf("%q counts", text)
		}
	}
	for _, c := range []documents.Command{{Text: "ekiben e"}, {Text: "go run ./cmd/ekiben e"}, {Text: "ekiben c", Shown: "ekiben: no\n"}, {Text: "ekiben WORD", Inline: true}} {
		if !s.runs(c) {
			t.Errorf("%q does not count", c)
		}
	}
}

// likewise reports whether a script's command begins like an inline one. Words in
// capitals match any word.
func likewise(inline, script string) bool {
	words, given := strings.Fields(inline), strings.Fields(script)
	if len(given) < len(words) {
		return false
	}
	for i, word := range words {
		if word != given[i] && word != strings.ToUpper(word) {
			return false
		}
	}
	return true
}
