package main

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/ekiben-serving/ekiben/internal/documents"
)

// short is a command by the name of the program alone.
func short(command string) string { return strings.TrimPrefix(command, "go run ./cmd/") }

// scripted is what the scripts of testdata run, each command as it stands in
// them, whatever the machine.
type scripted struct {
	succeed, fail []string
	compared      []string // with what a document shows
}

func readScripts(t *testing.T) scripted {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var s scripted
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s.read(string(archive.Comment))
	}
	return s
}

// read takes the commands out of a script. One that runs on some machines only
// ([exec:zsh] …) is none.
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

// runs says whether a script runs what a document shows, and it ends as shown:
// well, or with an error.
func (s *scripted) runs(c documents.Command) bool {
	among := s.succeed
	if strings.HasPrefix(c.Shown, "ekiben: ") {
		among = s.fail
	}
	return slices.ContainsFunc(among, func(command string) bool {
		return command == short(c.Text) || c.Inline && likewise(c.Text, command)
	})
}

// Every command of ekiben in README.md and docs/ runs in a script as it stands
// there, and where an answer is shown, the script compares.
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

// Every example of every command's help runs in a script, and succeeds.
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

// A comment runs nothing, nor does a file that a script holds, and what fails
// does not stand for what succeeds.
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

// likewise says whether a script's command begins as an inline one does, whose
// words in capitals stand for anything.
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
