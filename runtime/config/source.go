package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/bentoml"
	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// Source is what [Source.Load] reads. Each of these overrides the ones before
// it, key by key; a list replaces a list:
//
//   - the configuration that code passes to Load
//   - BentoML's variables: BENTOML_CONFIG and the file it names,
//     BENTOML_CONFIG_OVERRIDES, BENTOML_CONFIG_OPTIONS, BENTOML_HOST, BENTOML_PORT
//   - File
//   - the EKIBEN_ variables
//   - Set
//
// OpenTelemetry's variables (OTEL_EXPORTER_OTLP_ENDPOINT and the like) apply
// only to keys that none of these gives.
//
// The zero Source reads nothing. Load does not modify a Source, so several
// goroutines may use one.
type Source struct {
	// File is a YAML file, Ekiben's or BentoML's. "": none.
	File string
	// Content replaces the content of File. File is then not read and is only the
	// name in errors. Default and meaning of nil: File is read.
	Content []byte
	// FileFrom is the variable or flag that named File. The error for a file that
	// cannot be read includes it. "": the error names only the file.
	FileFrom string
	// Environ is a list of NAME=value, as os.Environ returns it. Nil: no
	// variable is read.
	Environ []string
	// Set is a list of single keys, such as flags.
	Set []Setting

	foreign []Notice // about a file that FromEnvironment did not choose
}

// Setting is one key that is given outside a file, such as --set traffic.timeout=10.
type Setting struct {
	// Key is a dotted key: traffic.timeout, metrics.endpoints./v1.0/score.slo.
	Key string
	// Value is YAML. A string needs no quotes, and a list no brackets: "0.1,0.5". "" is
	// ignored, except for keys that take any string.
	Value string
	// From is the place of the value in errors and explanations: "--port".
	From string
}

// ParseSetting reads KEY=VALUE. from becomes [Setting.From]. The key and the value are
// checked by [Source.Load]; the error here is a [Problem] for a missing = or key, and
// does not print the value, which may be a secret.
func ParseSetting(from, setting string) (Setting, error) {
	key, value, ok := strings.Cut(setting, "=")
	if !ok || key == "" {
		return Setting{}, &Problem{Where: Place{Name: from}, Text: "must be KEY=VALUE, such as traffic.timeout=10, found " + upToKey(setting)}
	}
	return Setting{Key: key, Value: value, From: from}, nil
}

// upToKey returns the start of a setting that can be a key, in quotes. What
// follows may be a secret.
func upToKey(setting string) string {
	end := strings.IndexFunc(setting, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-", r)
	})
	if end >= 0 {
		setting = setting[:end] + "…"
	}
	return "\"" + setting + "\""
}

// Loaded is the result of [Source.Load].
type Loaded struct {
	// Config is valid.
	Config Config
	// File is the configuration file that was read. "": none.
	File string
	// Notices are warnings, to be logged once.
	Notices []Notice
	// Files lists every file that was read, files of secrets included. When one
	// changes, the configuration may be different.
	Files []string

	places places // of keys that a source or code gave
}

// Load reads the source over base and validates the result. base is usually
// [Default]. services are the names of the services that are served, the entry service
// first. They decide which sections of a BentoML file apply, and which service a
// variable's name means. Names of other services are accepted; [Source.LoadFor] refuses
// them.
//
// The error holds every [Problem] at once; [Problems] lists them. Loaded is then nil.
// Each call reads the files again.
func (s Source) Load(base Config, services ...string) (*Loaded, error) {
	return s.load(base, services, nil)
}

// LoadFor is [Source.Load] for an app whose services and routes are known: other
// names are errors.
func (s Source) LoadFor(base Config, names Names) (*Loaded, error) {
	return s.load(base, names.Services, names.Check)
}

// LogFormat returns logging.format even if other keys have errors, so that those
// errors can be logged in the configured format. It does not validate the format. If
// the values cannot be decoded, it returns the format of base.
func (s Source) LogFormat(base Config) string {
	if cfg, err := s.read(base, nil).m.decode(); err == nil {
		return cfg.Logging.Format
	}
	return base.Logging.Format
}

func (s Source) load(base Config, services []string, check func(Config) error) (*Loaded, error) {
	l := s.read(base, services)
	l.check = check
	loaded, err := l.result()
	if loaded != nil {
		loaded.File = s.File
	}
	return loaded, err
}

// read merges all parts of the source over base, in the order that [Source] lists.
// OpenTelemetry's variables are parsed before the EKIBEN_ ones, which may name a header
// that only they give, and merged last, when it is known which keys nothing else gives.
func (s Source) read(base Config, services []string) *loader {
	l := &loader{names: services, m: newMerged(), notices: slices.Clone(s.foreign)}
	l.code(base)
	l.readOTel(s.Environ)
	l.bentoMLVariables(s.Environ)
	if s.File != "" {
		l.file(s)
	}
	l.variables(s.Environ)
	l.settings(s.Set)
	l.otel()
	return l
}

// loader collects the values, problems and notices of a source.
type loader struct {
	names    []string
	check    func(Config) error // a check after Validate; nil: none
	m        *merged
	standard *tree.Node // the values of OpenTelemetry's variables
	notices  []Notice
	files    []string
	problems []error
}

func (l *loader) fail(err error) {
	if err != nil {
		l.problems = append(l.problems, public(err))
	}
}

func (l *loader) notice(where Place, key, text string) {
	l.notices = append(l.notices, Notice{Where: where, Key: key, Text: text})
}

// file merges the source's file. A key written twice is an error in Ekiben's layout
// and only a notice in BentoML's, because BentoML starts with such a file.
func (l *loader) file(s Source) {
	doc, err := s.document()
	if s.Content == nil {
		l.files = append(l.files, s.File)
	}
	if err != nil {
		if err = public(err); s.FileFrom != "" && errors.Is(err, ErrUnreadable) {
			err = &Problem{Where: Place{Name: s.FileFrom}, Text: err.Error(), Cause: ErrUnreadable}
		}
		l.fail(err)
		return
	}
	if bentoml.Is(doc.Root, l.names) {
		l.lift(l.readBentoML(doc), s.Environ)
		return
	}
	for _, d := range doc.Duplicates {
		l.fail(d)
	}
	l.merge(doc.Root)
}

func (s Source) document() (*tree.Document, error) {
	if s.Content != nil {
		return tree.Parse(s.File, s.Content)
	}
	return tree.ReadFile(s.File)
}

// merge checks a tree against the known keys and merges its values.
func (l *loader) merge(n *tree.Node) {
	c := checker{}
	c.section(root(), nil, n)
	l.problems = append(l.problems, c.problems...)
	l.fail(l.m.merge(c.values))
}

// result decodes and checks the merged values. Secrets are read from their files
// first, because Validate checks the values of headers. Errors of all three steps are
// joined, so that a user corrects them in one go.
func (l *loader) result() (*Loaded, error) {
	cfg, err := l.m.decode()
	if err != nil {
		return nil, errors.Join(append(l.problems, err)...)
	}
	files, problems := readSecrets(&cfg, l.m.places)
	l.problems = append(l.problems, problems...)
	invalid := cfg.Validate()
	if l.check != nil {
		invalid = errors.Join(l.check(cfg), invalid)
	}
	read := l.problems
	for _, err := range Problems(invalid) {
		if p := (*Problem)(nil); !errors.As(err, &p) || !l.refused(read, p.Key) {
			l.fail(l.m.places.locate(err))
		}
	}
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	return &Loaded{Config: cfg, Notices: append(l.notices, l.m.places.located(cfg.Notices())...), Files: append(l.files, files...), places: l.m.places}, nil
}

// refused reports whether the value of a key was refused already, so that the key
// is missing only for that reason. BentoML's keys begin with services. and a
// service's name.
func (l *loader) refused(problems []error, key string) bool {
	if slices.ContainsFunc(instead(key), func(other string) bool { return l.refused(problems, other) }) {
		return true
	}
	if slices.ContainsFunc(problems, func(err error) bool { // the file of a secret cannot be read
		var p *Problem
		return errors.As(err, &p) && p.Key == key && strings.HasSuffix(key, "_file")
	}) {
		return true
	}
	_, given := l.m.places[key]
	return !given && slices.ContainsFunc(problems, func(err error) bool {
		var p *Problem
		return errors.As(err, &p) && (p.Key == key || strings.HasSuffix(p.Key, "."+key))
	})
}

// instead lists keys that would make a missing key legal.
func instead(key string) []string {
	switch {
	case key == "http.cors.access_control_allow_origins":
		return []string{"http.cors.access_control_allow_origin_regex"}
	case strings.HasPrefix(key, "otlp.") && strings.HasSuffix(key, "tls"):
		return []string{key + ".cert", key + ".key"}
	}
	return nil
}
