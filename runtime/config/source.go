package config

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/bentoml"
	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
	"github.com/ekiben-serving/ekiben/views"
)

// Source is what a configuration is read from. Its parts are laid over one
// another in this order, each over what code set: BentoML's variables
// (BENTOML_CONFIG and the file it names, BENTOML_CONFIG_OVERRIDES,
// BENTOML_CONFIG_OPTIONS, BENTOML_HOST, BENTOML_PORT), File, the EKIBEN_
// variables, Set. What a part does not mention is kept from below; a list
// replaces the one below it.
//
// OpenTelemetry's variables (OTEL_EXPORTER_OTLP_ENDPOINT and the like) lie below
// all of it, code too: what the others give, be it for one signal or common to
// all, they do not change.
//
// The zero Source changes nothing.
type Source struct {
	// File is a YAML file of Ekiben's own, or BentoML's, which begins with
	// "version: 2". "": none.
	File string
	// Content is the content of File, which is then not read: File is only its name in
	// errors. Default: nil, which reads File.
	Content []byte
	// FileFrom is what named the file, for the error if it cannot be read:
	// "EKIBEN_CONFIG". "": nobody needs to be told.
	FileFrom string
	// Environ are variables as [os.Environ] returns them. Nil: none are read.
	Environ []string
	// Set are single keys, such as flags.
	Set []Setting
}

// DefaultFile is read by [FromEnvironment] where it is there and no other is
// named.
const DefaultFile = "config.yaml"

// FromEnvironment is the source that `ekiben serve` reads: the process's
// variables, and the file that EKIBEN_CONFIG names, or else config.yaml of the
// working directory if it is there. Which file that is, is settled now: a
// reload reads the same. A file that EKIBEN_CONFIG names must be there, or Load
// fails.
func FromEnvironment() Source {
	s := Source{Environ: os.Environ()}
	if name, _ := variable(s.Environ, FileVariable); name != "" {
		s.File, s.FileFrom = name, FileVariable
	} else if _, err := os.Stat(DefaultFile); !errors.Is(err, fs.ErrNotExist) {
		s.File = DefaultFile // any other error is Load's to report
	}
	return s
}

// Setting is one key given outside a file.
type Setting struct {
	// Key has dots between its levels: metrics.endpoints./v1.0/score.slo.
	Key string
	// Value is YAML, but for texts, which are taken as they stand.
	Value string
	// From is where it comes from, for errors and explanations: "--port".
	From string
}

// ParseSetting reads key=value. from is the flag it was given by.
func ParseSetting(from, setting string) (Setting, error) {
	key, value, ok := strings.Cut(setting, "=")
	if !ok || key == "" {
		return Setting{}, &Problem{Where: Place{Name: from}, Text: "must be KEY=VALUE, such as traffic.timeout=10, found " + upToKey(setting)}
	}
	return Setting{Key: key, Value: value, From: from}, nil
}

// upToKey is the part of a setting that can be a key: the rest of one that was
// mistyped may be a secret.
func upToKey(setting string) string {
	end := strings.IndexFunc(setting, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-", r)
	})
	if end >= 0 {
		setting = setting[:end] + "…"
	}
	return "\"" + setting + "\""
}

// Place is where a value was written: a file and a line, a variable or a flag.
type Place = tree.Place

// Problem is one thing that is wrong with a configuration. It prints as one
// line: place, key, and what was found and would be right.
type Problem = tree.Problem

// Notice is something that was accepted and may not be what its writer thinks:
// a key of BentoML's that has no effect here.
type Notice struct {
	Where Place
	Key   string
	Text  string
}

// String puts place, key and text on one line.
func (n Notice) String() string { return (&Problem{Where: n.Where, Key: n.Key, Text: n.Text}).Error() }

// ErrUnreadable is the cause of each [Problem] with a configuration file that is
// not there, or cannot be read for another reason of the system's.
var ErrUnreadable = tree.ErrUnreadable

// Problems lists the single errors that [Source.Load] or [Config.Validate]
// returned joined.
func Problems(err error) []error { return tree.Problems(err) }

// Loaded is a configuration, and where its values come from.
type Loaded struct {
	Config Config
	// Notices are for the log, once.
	Notices []Notice
	// Files are those that were read, secrets' files included.
	Files []string

	places places // of what a source or code set
}

// Load reads the source over base and validates the result. services are the
// names that are served, the entry service first: they decide which of a
// BentoML file's sections apply, and how a name in a variable is spelled. A
// name that is none of them is let be; [Source.LoadFor] refuses it.
//
// The error names every problem at once; [Problems] takes it apart.
func (s Source) Load(base Config, services ...string) (*Loaded, error) {
	return s.load(base, services, nil)
}

// LoadFor is Load for services that are all known: their names are the only
// ones that the result may have.
func (s Source) LoadFor(base Config, names Names) (*Loaded, error) {
	return s.load(base, names.Services, names.Check)
}

func (s Source) load(base Config, services []string, check func(Config) error) (*Loaded, error) {
	l := &loader{names: services, check: check, m: newMerged()}
	l.code(base)
	l.readOTel(s.Environ)
	l.bentoMLVariables(s.Environ)
	if s.File != "" {
		l.file(s)
	}
	l.variables(s.Environ)
	l.settings(s.Set)
	l.otel()
	return l.result()
}

// loader gathers what the sources say.
type loader struct {
	names    []string
	check    func(Config) error // beside Validate; nil: nothing
	m        *merged
	standard *tree.Node // what OpenTelemetry's variables say
	notices  []Notice
	files    []string
	problems []error
}

func (l *loader) fail(err error) {
	if err != nil {
		l.problems = append(l.problems, err)
	}
}

// file lays the source's file over what there is.
func (l *loader) file(s Source) {
	doc, err := s.document()
	if s.Content == nil {
		l.files = append(l.files, s.File)
	}
	if err != nil {
		if s.FileFrom != "" && errors.Is(err, ErrUnreadable) {
			err = &Problem{Where: Place{Name: s.FileFrom}, Text: err.Error(), Cause: ErrUnreadable}
		}
		l.fail(err)
		return
	}
	if bentoml.Is(doc.Root) {
		l.lift(l.readBentoML(doc), s.Environ)
		return
	}
	for _, d := range doc.Duplicates {
		l.fail(d)
	}
	if v := doc.Root.Get("version"); v != nil {
		l.fail(&Problem{Where: v.Where, Key: "version", Text: "must be 2, for a file of BentoML's, or absent, for one of Ekiben's own; found " + v.Describe()})
		return
	}
	l.lay(doc.Root)
}

func (s Source) document() (*tree.Document, error) {
	if s.Content != nil {
		return tree.Parse(s.File, s.Content)
	}
	return tree.ReadFile(s.File)
}

// lay checks a tree against the known keys and lays it over what there is.
func (l *loader) lay(n *tree.Node) {
	c := checker{}
	c.section(root(), nil, n)
	l.problems = append(l.problems, c.problems...)
	l.fail(l.m.lay(c.values))
}

func (l *loader) result() (*Loaded, error) {
	cfg, err := l.m.decode()
	if err != nil {
		return nil, errors.Join(append(l.problems, err)...)
	}
	files, problems := readSecrets(&cfg, l.m.places)
	l.problems = append(l.problems, problems...)
	wrong := cfg.Validate()
	if l.check != nil {
		wrong = errors.Join(l.check(cfg), wrong)
	}
	read := l.problems
	for _, err := range Problems(wrong) {
		if p := (*Problem)(nil); !errors.As(err, &p) || !l.refused(read, p.Key) {
			l.fail(l.m.places.locate(err))
		}
	}
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	if given := cfg.Metrics.Views.Namespace; given != "" {
		if legal, err := views.LegalNamespace(given); err == nil && legal != given {
			const key = "metrics.namespace"
			l.notices = append(l.notices, Notice{Where: l.m.places[key], Key: key, Text: "metrics begin with " + legal + "_, found " + quote(given) + ", which holds what no metric's name can"})
		}
	}
	return &Loaded{Config: cfg, Notices: l.notices, Files: append(l.files, files...), places: l.m.places}, nil
}

// refused says whether a key has no value because the one that was given is
// among what is wrong already: that it is missing need not be said as well.
// Keys of BentoML's have services. before them, and a service's name.
func (l *loader) refused(wrong []error, key string) bool {
	_, given := l.m.places[key]
	return !given && slices.ContainsFunc(wrong, func(err error) bool {
		var p *Problem
		return errors.As(err, &p) && (p.Key == key || strings.HasSuffix(p.Key, "."+key))
	})
}
