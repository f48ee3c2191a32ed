// Package documents reads the commands in the documentation, and the output that it
// shows for them, so that tests can run the commands and compare the output.
package documents

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Command is a command in a document.
type Command struct {
	Document string // path below the root, with slashes
	Line     int    // of the document, from 1
	Text     string // as a user types it
	Shown    string // the output in the document; "" if there is none
	Inline   bool   // it is part of a sentence: capitals are placeholders, and arguments may be left out
}

// String returns the command with its place, for errors.
func (c Command) String() string { return fmt.Sprintf("%s:%d: %s", c.Document, c.Line, c.Text) }

// Tool returns the program that the command runs: its first word, or for go the first
// two words. Both `go run ./cmd/ekiben` and `ekiben` are ekiben; `go run .` is the
// reader's own program.
func (c Command) Tool() string {
	_, text := c.Environment()
	text = strings.TrimPrefix(text, real)
	switch {
	case strings.HasPrefix(text, "go run ./cmd/ekiben "):
		return "ekiben"
	case text == "go run .":
		return text
	}
	words := strings.Fields(text)
	if words[0] == "go" && len(words) > 1 {
		return "go " + words[1]
	}
	return words[0]
}

// Environment returns the variables that are set for this command only, and the
// command without them.
func (c Command) Environment() (variables []string, text string) {
	set := variable.FindString(c.Text)
	return strings.Fields(set), c.Text[len(set):]
}

// Folder returns the folder below the root in which the command runs, and the command
// without cd.
func (c Command) Folder() (folder, text string) {
	if text, found := strings.CutPrefix(c.Text, real); found {
		return "integration/real", text
	}
	return ".", c.Text
}

// real begins commands in the module of the tests beside real servers.
const real = "cd integration/real && "

var (
	variable = regexp.MustCompile(`^(?:[A-Z][A-Z0-9_]*=\S* )*`)
	inline   = regexp.MustCompile("`((?:[A-Z][A-Z0-9_]*=\\S* )*(?:cd integration/real && )?(?:go (?:test|run|install)|make|curl|promtool|helm|docker|kubectl|bentoml|ekiben) [^`]+)`")
	comment  = regexp.MustCompile(`\s{2,}#.*$`)
)

// Walkthrough is a document whose commands belong together: one test runs all, in their order.
const Walkthrough = "docs/models.md"

// Steps returns the commands of the walkthrough.
func Steps(root string) ([]Command, error) {
	all, err := allCommands(root)
	return slices.DeleteFunc(all, func(c Command) bool { return c.Document != Walkthrough || c.Inline }), err
}

// Commands returns the commands of README.md and of docs/ below root, without the walkthrough: the lines that
// begin with $ in console blocks, each with the lines up to the next command as its
// output, and the commands within sentences. If tools are given, it returns only
// commands of these tools.
func Commands(root string, tools ...string) ([]Command, error) {
	all, err := allCommands(root)
	return slices.DeleteFunc(all, func(c Command) bool {
		return c.Document == Walkthrough && !c.Inline || len(tools) > 0 && !slices.Contains(tools, c.Tool())
	}), err
}

func allCommands(root string) (commands []Command, err error) {
	err = each(root, func(document, block string, number int, line string) {
		switch text, isCommand := strings.CutPrefix(line, "$ "); {
		case block == "console" && isCommand:
			commands = append(commands, Command{Document: document, Line: number, Text: comment.ReplaceAllString(text, "")})
		case block == "console" && len(commands) > 0:
			commands[len(commands)-1].Shown += line + "\n"
		case block == "":
			for _, found := range inline.FindAllStringSubmatch(line, -1) {
				commands = append(commands, Command{Document: document, Line: number, Text: strings.ReplaceAll(found[1], `\|`, "|"), Inline: true})
			}
		}
	})
	return commands, err
}

// Words splits a command into words, as a shell does. It supports single quotes only.
func Words(command string) []string {
	var words []string
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// A Block is code between fences.
type Block struct {
	Document string
	Line     int // of its first line of code
	Text     string
}

// Blocks returns the blocks of a language.
func Blocks(root, language string) ([]Block, error) {
	var blocks []Block
	before := Block{}
	err := each(root, func(document, block string, number int, line string) {
		if block != language {
			return
		}
		if before.Document != document || before.Line != number-1 {
			blocks = append(blocks, Block{Document: document, Line: number})
		}
		blocks[len(blocks)-1].Text += line + "\n"
		before = Block{Document: document, Line: number}
	})
	return blocks, err
}

// Matches reports whether text is the output that a document shows. … in shown
// matches any string.
func Matches(shown, text string) bool {
	parts := strings.Split(strings.TrimSpace(shown), "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`).MatchString(strings.TrimSpace(text))
}

var fence = regexp.MustCompile("^( *)```(.*)$")

// each calls see with every line of every document, except fences. block is the
// language of the block around the line: "" outside of blocks, "text" if none is
// given. line has no indentation of the block.
func each(root string, see func(document, block string, number int, line string)) error {
	read := func(path string) error {
		text, err := os.ReadFile(path) // #nosec G304 -- a test's own repository
		if err != nil {
			return err
		}
		document, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		block, indent := "", ""
		for i, line := range strings.Split(string(text), "\n") {
			found := fence.FindStringSubmatch(line)
			switch {
			case found == nil:
				see(filepath.ToSlash(document), block, i+1, strings.TrimPrefix(line, indent))
			case block != "":
				block, indent = "", ""
			default:
				block, indent = cmp.Or(found[2], "text"), found[1]
			}
		}
		return nil
	}
	if err := read(filepath.Join(root, "README.md")); err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		return read(path)
	})
}
