package prometheus

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// label is one label with its translated name and its original value.
type label struct{ name, value string }

// rendered is the encoded labels of a series, without braces. key lacks the empty ones:
// for Prometheus an empty label is a missing one. cut is the position for the
// format's own label, le or quantile: prometheus_client sorts it among the others.
type rendered struct {
	text string
	key  string
	cut  int
}

// before returns the labels before the format's own label.
func (r rendered) before() (text, comma string) {
	if r.cut > 0 && r.cut == len(r.text) {
		return r.text, ","
	}
	return r.text[:r.cut], ""
}

// after returns the labels after the format's own label.
func (r rendered) after() (comma, text string) {
	if r.cut == len(r.text) {
		return "", ""
	}
	return ",", r.text[r.cut:]
}

// render returns the labels of attrs and extra, sorted by name. Attributes whose
// translated names are equal become one label. Its value is their values joined
// by ';' in the order of the original names, as OpenTelemetry's specification of
// Prometheus compatibility requires. special is the name of the format's own
// label, or "". Errors: an illegal name, or special among the names.
func render(attrs *attribute.Set, extra []label, special string) (rendered, error) {
	list, err := labelsOf(attrs, extra)
	if err != nil {
		return rendered{}, err
	}
	var out rendered
	b := make([]byte, 0, 128)
	for i, l := range list {
		if l.name == special {
			return rendered{}, fmt.Errorf("label %q: must be renamed, because Prometheus adds a label of this name to this type of metric", l.name)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLabel(b, l.name, l.value)
		if l.name < special {
			out.cut = len(b)
		}
	}
	if out.cut > 0 && out.cut < len(b) {
		out.cut++ // the comma belongs to before
	}
	out.text = string(b)
	out.key = keyOf(list, out.text)
	return out, nil
}

// keyOf returns the key of the labels in list, whose text is known.
func keyOf(list []label, text string) string {
	empty := func(l label) bool { return l.value == "" }
	if !slices.ContainsFunc(list, empty) {
		return text
	}
	var b []byte
	for _, l := range slices.DeleteFunc(list, empty) {
		b = append(appendLabel(b, l.name, l.value), ',')
	}
	return strings.TrimSuffix(string(b), ",")
}

// labelsOf returns the labels that render writes, each name once, sorted.
func labelsOf(attrs *attribute.Set, extra []label) ([]label, error) {
	list := make([]label, 0, attrs.Len()+len(extra))
	for it := attrs.Iter(); it.Next(); {
		kv := it.Attribute()
		name, err := LabelName(string(kv.Key))
		if err != nil {
			return nil, err
		}
		list = append(list, label{name, kv.Value.String()})
	}
	return joinSame(append(list, extra...)), nil
}

// joinSame sorts list by name and joins the values of equal names. list has the
// order of the original names.
func joinSame(list []label) []label {
	slices.SortStableFunc(list, func(a, b label) int { return strings.Compare(a.name, b.name) })
	out := list[:0]
	for _, l := range list {
		if n := len(out); n > 0 && out[n-1].name == l.name {
			out[n-1].value += ";" + l.value
			continue
		}
		out = append(out, l)
	}
	return out
}

// appendLabel appends name="value", with the value escaped.
func appendLabel(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, `="`...)
	b = appendEscaped(b, value, true)
	return append(b, '"')
}

// legalValue replaces each run of bytes in s that is not UTF-8 by one U+FFFD, and each
// line break by a newline. Readers in Python, such as Datadog's, split lines at every
// line break of Unicode; all readers understand an escaped newline.
func legalValue(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= utf8.RuneSelf { // most values have neither
			return lineBreaks.Replace(strings.ToValidUTF8(s, "\uFFFD"))
		}
	}
	return s
}

// lineBreaks are those of Python's str.splitlines.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n",
	"\x1c", "\n", "\x1d", "\n", "\x1e", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// appendEscaped appends s with backslash, newline and, if quotes is set,
// quotation mark escaped, as a legal value.
func appendEscaped(b []byte, s string, quotes bool) []byte {
	s = legalValue(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '"' && quotes:
			b = append(b, `\"`...)
		default:
			b = append(b, c)
		}
	}
	return b
}
