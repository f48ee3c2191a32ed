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
// else ekiben.yaml in the working directory; else config.yaml there, if it is
// BentoML's, or names config.schema.json in a comment, or if all its top-level keys
// are Ekiben's and each section has a key of Ekiben. A misspelt key counts as the key
// that it resembles, and Load returns the error. Any other config.yaml is another
// program's and is ignored, with a [Notice].
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
	why := foreign(commonFile)
	if why == "" {
		s.File = commonFile
		return s
	}
	s.foreign = []Notice{{Where: Place{Name: commonFile}, Text: "is not read, because " + why + "; to read it, name it in " + FileVariable + " or call it " + DefaultFile}}
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

// foreign says why a file is another program's. "": it is Ekiben's or BentoML's, or it
// is a file that Load will report as unreadable.
func foreign(file string) string {
	text, err := tree.ReadText(file)
	if err != nil || schemaComment.MatchString(text) {
		return ""
	}
	var keys, unknown []string
	if doc, err := tree.Parse(file, []byte(text)); err == nil {
		version := doc.Root.Get("version")
		if doc.Empty || (version == nil || version.Value == int64(2)) && bentoml.Is(doc.Root, nil) {
			return ""
		}
		keys = doc.Root.Keys()
		unknown = foreignKeys(doc.Root)
	} else { // an error in a file of ours must be reported
		for _, found := range topLevelKey.FindAllStringSubmatch(text, -1) {
			keys = append(keys, found[1])
		}
		unknown = foreignTop(keys)
	}
	if len(keys) == 0 {
		return "it has no keys"
	}
	if len(unknown) == 0 {
		return ""
	}
	const few = 5
	for i, key := range unknown {
		unknown[i] = quote(key)
	}
	if len(unknown) > few {
		unknown = append(unknown[:few:few], "…")
	}
	return "these keys are not as Ekiben has them: " + strings.Join(unknown, ", ")
}

// foreignTop lists the top-level keys that are not Ekiben's. It is empty if all of them
// are misspelt, and there are keys of Ekiben beside them.
func foreignTop(keys []string) []string {
	unknown := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return root().find(key) != nil })
	if len(unknown) < len(keys) && !slices.ContainsFunc(unknown, func(key string) bool { return !root().misspelt(key) }) {
		return nil
	}
	return unknown
}

// foreignKeys lists the top-level keys that are not Ekiben's, or else the keys of the
// sections, if none of them has a key of Ekiben.
func foreignKeys(n *tree.Node) []string {
	unknown := foreignTop(n.Keys())
	if len(unknown) > 0 {
		return unknown
	}
	own := false
	section := func(k *key, path string, n *tree.Node) {
		own = own || slices.ContainsFunc(n.Keys(), func(name string) bool { return k.find(name) != nil })
		unknown = append(unknown, foreignSection(k, path, n)...)
	}
	for _, e := range n.Entries {
		k := root().find(e.Key)
		switch {
		case k == nil:
		case k.isValue():
			own = true
		case k.kind == table && e.Value.Kind == tree.Map:
			for _, entry := range e.Value.Entries {
				section(k.each, e.Key+"."+entry.Key, entry.Value)
			}
		default:
			section(k, e.Key, e.Value)
		}
	}
	if own {
		return nil
	}
	return unknown
}

// foreignSection lists the keys of a section in which no key is Ekiben's or resembles
// one.
func foreignSection(k *key, path string, n *tree.Node) []string {
	var unknown []string
	switch n.Kind {
	case tree.Null:
		return nil
	case tree.Map:
	default:
		return []string{path}
	}
	for _, name := range n.Keys() {
		if k.find(name) != nil || len(k.unknown(name).near) > 0 {
			return nil
		}
		unknown = append(unknown, path+"."+name)
	}
	return unknown
}
