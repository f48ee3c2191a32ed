package config

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/bentoml"
	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// DefaultFile is the file that [FromEnvironment] reads if no other is named.
const DefaultFile = "ekiben.yaml"

// commonFile is read if DefaultFile does not exist and commonFile is Ekiben's or
// BentoML's. Other programs use this name too.
const commonFile = "config.yaml"

// FromEnvironment returns the source that `ekiben serve` reads: the variables
// of the process, and one file. The file is the one that EKIBEN_CONFIG names;
// else ekiben.yaml in the working directory; else config.yaml there, if all its
// top-level keys are Ekiben's or BentoML's, or if it names config.schema.json
// in a comment. A config.yaml of another program is ignored, with a [Notice]. One
// that has keys of Ekiben, and besides them only misspelt ones, is read, and Load
// returns the errors.
//
// The choice is made once, so that a reload reads the same file. Load fails if
// the file that EKIBEN_CONFIG names does not exist.
func FromEnvironment() Source {
	s := Source{Environ: os.Environ()}
	if name, _ := variable(s.Environ, FileVariable); name != "" {
		s.File, s.FileFrom = name, FileVariable
		return s
	}
	if exists(DefaultFile) {
		s.File = DefaultFile
		return s
	}
	if !exists(commonFile) {
		return s
	}
	unknown := foreignKeys(commonFile)
	if len(unknown) == 0 {
		s.File = commonFile
		return s
	}
	s.foreign = []Notice{{Where: Place{Name: commonFile}, Text: "is not read, because these keys are not Ekiben's: " + strings.Join(unknown, ", ") +
		"; to read it, name it in " + FileVariable + " or call it " + DefaultFile}}
	return s
}

// exists reports whether there is a file, or an error that Load will report.
func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

var (
	schemaComment = regexp.MustCompile(`(?m)^#.*config\.schema\.json`)
	topLevelKey   = regexp.MustCompile(`(?m)^([^\s#'":{}\[\]-][^:\n]*?)\s*:(?:\s|$)`)
)

// foreignKeys lists the top-level keys of a file that are neither Ekiben's nor
// BentoML's. It is empty for a file of ours, and for a file that Load will report
// as unreadable.
func foreignKeys(file string) []string {
	text, err := tree.ReadText(file)
	if err != nil || schemaComment.MatchString(text) {
		return nil
	}
	var keys []string
	if doc, err := tree.Parse(file, []byte(text)); err == nil {
		if version := doc.Root.Get("version"); (version == nil || version.Value == int64(2)) && bentoml.Is(doc.Root, nil) {
			return nil
		}
		keys = doc.Root.Keys()
	} else { // an error in a file of ours must be reported
		for _, found := range topLevelKey.FindAllStringSubmatch(text, -1) {
			keys = append(keys, found[1])
		}
	}
	const few = 5
	unknown := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return root().find(key) != nil })
	if len(unknown) < len(keys) && !slices.ContainsFunc(unknown, func(key string) bool { return !root().misspelt(key) }) {
		return nil
	}
	for i, key := range unknown {
		unknown[i] = quote(key)
	}
	if len(unknown) > few {
		unknown = append(unknown[:few:few], "…")
	}
	return unknown
}
