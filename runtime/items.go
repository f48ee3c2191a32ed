package runtime

import (
	"fmt"
	"strings"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// itemsError is what a client is told of a list of which some items failed: the
// first one's error, and each with its place. An error that is not for clients
// goes before the others.
func itemsError(err error, name string) error {
	failed, ok := err.(batcher.Errors) //nolint:errorlint // as Do returns it
	if !ok {
		return err
	}
	var lead *Error
	hidden := false // the log has what lead does not say
	var detail []wire.Violation
	for i, one := range failed {
		if one == nil {
			continue
		}
		answer, masked := answerOf(one)
		if lead == nil || masked && !hidden {
			lead, hidden = answer, masked
		}
		detail = append(detail, wire.Violation{Type: "item_error", Loc: []any{name, i}, Msg: answer.Message})
	}
	whole := &Error{Status: lead.Status, Message: lead.Message, Detail: detail, RetryAfter: lead.RetryAfter, Err: lead.Err}
	if hidden {
		whole.Err = &failedItems{name: name, errs: failed}
	}
	return whole
}

// failedItems are the errors of a list's items, with their places.
type failedItems struct {
	name string
	errs batcher.Errors
}

// mostNamed bounds a line of the log: a list may be long.
const mostNamed = 10

func (f *failedItems) Error() string {
	var b strings.Builder
	named, more := 0, 0
	for i, err := range f.errs {
		switch {
		case err == nil:
		case named == mostNamed:
			more++
		default:
			if named++; named > 1 {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "%s[%d]: %v", f.name, i, inFull(err))
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

func (f *failedItems) Unwrap() []error { return f.errs.Unwrap() }
