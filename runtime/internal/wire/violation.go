package wire

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Violation is one error of an input, in pydantic's format.
type Violation struct {
	// Type is pydantic's name of the rule, such as "missing".
	Type string `json:"type"`
	// Loc is the path of the value: names as string, indices as int.
	Loc []any `json:"loc"`
	// Msg says what is allowed.
	Msg string `json:"msg"`
}

// Invalid is the error of an invalid input. It has at most 100 violations and at most
// 60 KiB of JSON. If there are more, the last violation has the type
// too_many_errors.
type Invalid struct {
	Violations []Violation

	model string // "": Input
}

// Error returns BentoML's message with the number of violations. It has no plural.
func (e *Invalid) Error() string {
	return fmt.Sprintf("%d validation error for %s", len(e.Violations), cmp.Or(e.model, "Input"))
}

// NotJSON reports whether the body is not JSON, so that no rule was checked.
func (e *Invalid) NotJSON() bool {
	return len(e.Violations) == 1 && e.Violations[0].Type == notJSON
}

const notJSON = "json_invalid"

// fault is a violation without its place.
type fault struct{ kind, msg string }

func (f *fault) Error() string { return f.msg }

// Bounds of the violations of one body. The client chooses the names in a Loc, so
// without bounds a response could be many times larger than its request. Sizes are
// bytes of JSON.
const (
	maxViolations = 100
	maxSize       = 60 << 10 // of all violations
	maxLocSize    = 8 << 10  // of one Loc
	maxName       = 1 << 10  // of one name in a Loc
	maxMsg        = 4 << 10
)

// violations collects the errors of one body, up to the bounds.
type violations struct {
	list []Violation
	size int
	full bool

	attached *attached

	ctx   context.Context // of a large body, else nil
	steps int             // values since the start
}

// enough reports whether further values are left unchecked: the list is full, or nobody waits
// for a large body any more.
func (v *violations) enough() bool {
	v.steps++
	return v.full || v.ctx != nil && v.steps%1024 == 0 && v.ctx.Err() != nil
}

// add appends an error at the place loc followed by rest. It copies loc.
func (v *violations) add(loc []any, f *fault, rest ...any) {
	if v.full {
		return
	}
	one := Violation{f.kind, bounded(loc, rest), cut(f.msg, maxMsg)}
	size := jsonSize(one)
	if len(v.list) == maxViolations || v.size+size > maxSize {
		v.full = true
		msg := fmt.Sprintf("Only the first %s listed", are(len(v.list)))
		v.list = append(v.list, Violation{"too_many_errors", []any{}, msg})
		return
	}
	v.size += size
	v.list = append(v.list, one)
}

// asRoot gives the errors of a body that is not a struct pydantic's other messages:
// BentoML checks such a body as Python values, not as JSON.
func (v *violations) asRoot() {
	for i := range v.list {
		switch v.list[i].Type {
		case "list_type":
			v.list[i].Msg = "Input should be a valid list"
		case "dict_type":
			v.list[i].Msg = "Input should be a valid dictionary"
		}
	}
}

func are(n int) string {
	if n == 1 {
		return "error is"
	}
	return strconv.Itoa(n) + " errors are"
}

func (v *violations) invalid() *Invalid {
	if len(v.list) == 0 {
		return nil
	}
	return &Invalid{Violations: v.list}
}

func invalid(f *fault) *Invalid {
	var v violations
	v.add(nil, f)
	return v.invalid()
}

// bounded copies a place. It shortens long names and cuts the end of a long place.
func bounded(loc, rest []any) []any {
	place := make([]any, 0, min(len(loc)+len(rest), maxLocSize))
	size := 0
	for _, part := range [][]any{loc, rest} {
		for _, step := range part {
			if name, ok := step.(string); ok {
				step = cut(name, maxName)
			}
			if size += jsonSize(step) + 1; size > maxLocSize {
				return append(place, "…")
			}
			place = append(place, step)
		}
	}
	return place
}

// cut shortens s to at most size bytes and marks the cut.
func cut(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size] + "…"
}

// jsonSize returns the size of v in JSON with escaped HTML, the longest form that a
// response can have.
func jsonSize(v any) int {
	data, _ := json.Marshal(v) //nolint:errchkjson // strings and integers always marshal
	return len(data)
}
