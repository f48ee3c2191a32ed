package config

import (
	"errors"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// ErrUnreadable is the cause of each [Problem] with a configuration file that
// does not exist or that the operating system cannot read.
var ErrUnreadable = errors.New("cannot be read")

// Place is where a value was written. The zero Place: not known, as in the errors of
// [Config.Validate], which checks values without their sources.
type Place struct {
	// Name is a file, a variable, or the From of a Setting, such as "--port". It is
	// "code" for a value of the configuration that was passed to Load.
	Name string
	// Line is a line of the file, from 1. 0: the name has no lines.
	Line int
}

// String returns "config.yaml:12" or "EKIBEN_HTTP__PORT".
func (p Place) String() string { return tree.Place(p).String() }

// Problem is one error in a configuration. Get it with [errors.As] from each error that
// [Problems] returns.
type Problem struct {
	// Where is the place of the value. Zero: not known.
	Where Place
	// Key is the dotted key. "": the whole file.
	Key string
	// Text says what would be right and what was found.
	Text string
	// Cause is for errors.Is: ErrUnreadable, ErrNoSuchName or nil. Error
	// does not print it.
	Cause error
}

// Error returns place, key and text on one line.
func (p *Problem) Error() string {
	return (&tree.Problem{Where: tree.Place(p.Where), Key: p.Key, Text: p.Text}).Error()
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Notice is a warning: a value was accepted, and has no effect or not the
// effect that its writer may expect. The app starts nevertheless.
type Notice struct {
	Where Place  // zero: not known
	Key   string // dotted; "": the notice is about a file or a variable
	Text  string // what the value does: "has no effect, because …"
}

// String returns place, key and text on one line.
func (n Notice) String() string { return (&Problem{Where: n.Where, Key: n.Key, Text: n.Text}).Error() }

// Problems returns the single errors of a joined error. Those of [Source.Load],
// [Config.Validate] and [Names.Check] are a [Problem] each. An error that is not
// joined is returned alone, and nil gives nil. If an error adds text before a joined
// one, each part gets that text.
func Problems(err error) []error {
	if err == nil {
		return nil
	}
	var all []error
	joined, ok := err.(interface{ Unwrap() []error })                 // not errors.As, which would lose the text of errors above it
	if ok && err.Error() == errors.Join(joined.Unwrap()...).Error() { // else the parts are one sentence, as with fmt.Errorf
		for _, one := range joined.Unwrap() {
			all = append(all, Problems(one)...)
		}
		return all
	}
	inner := errors.Unwrap(err)
	parts := Problems(inner)
	if len(parts) < 2 || !strings.HasSuffix(err.Error(), inner.Error()) {
		return []error{err}
	}
	before := strings.TrimSuffix(err.Error(), inner.Error())
	for _, one := range parts {
		all = append(all, &part{one, before + one.Error()})
	}
	return all
}

// part is one of joined errors, with the text that an error above adds to all.
type part struct {
	error

	text string
}

func (p *part) Error() string { return p.text }
func (p *part) Unwrap() error { return p.error }

// public returns an error of package tree as a [Problem].
func public(err error) error {
	var p *tree.Problem
	if !errors.As(err, &p) {
		return err
	}
	made := &Problem{Where: Place(p.Where), Key: p.Key, Text: p.Text, Cause: p.Cause}
	if errors.Is(err, tree.ErrUnreadable) {
		made.Cause = ErrUnreadable
	}
	return made
}

// Locate adds places to an error of code that uses the configuration, such as the
// code that opens certificates. Each error that begins with a key, as in
// "ssl.certfile: …", or with several keys, separated by commas, becomes a [Problem].
// Other errors are returned unchanged. The error may be joined. section holds keys that
// override the common ones, such as otlp.metrics; "": none do.
func (l *Loaded) Locate(err error, section string) error {
	var all []error
	for _, one := range Problems(err) {
		all = append(all, l.locate(one, section))
	}
	return errors.Join(all...)
}

// locate is Locate for one error. The place is that of the first key that has one.
func (l *Loaded) locate(err error, section string) error {
	keys, text, _ := strings.Cut(err.Error(), ": ")
	above, _, _ := strings.Cut(section, ".")
	found := &Problem{Text: text, Cause: err}
	for _, name := range strings.Split(keys, ", ") {
		if _, known := splitKey(name); known == nil {
			return err
		}
		if own := section + strings.TrimPrefix(name, above); section != "" && l.places.has(own) {
			name = own
		}
		if found.Key != "" {
			found.Key += ", "
		}
		found.Key += name
		if found.Where == (Place{}) {
			found.Where = l.places.of(name)
		}
	}
	return found
}
