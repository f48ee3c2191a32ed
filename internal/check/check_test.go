package check_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// recorded is a test that only remembers what failed it.
type recorded struct {
	testing.TB

	said string
}

func (r *recorded) Helper()                   {}
func (r *recorded) Error(args ...any)         { r.said = "error: " + fmt.Sprint(args...) }
func (r *recorded) Fatal(args ...any)         { r.said = "fatal: " + fmt.Sprint(args...) }
func (r *recorded) Errorf(f string, a ...any) { r.Error(fmt.Sprintf(f, a...)) }

func TestChecks(t *testing.T) {
	for name, test := range map[string]struct {
		check func(testing.TB)
		want  string // "": it passes
	}{
		"OK":            {func(t testing.TB) { check.OK(t, nil, nil) }, ""},
		"not OK":        {func(t testing.TB) { check.OK(t, nil, io.EOF) }, "error: EOF"},
		"Must":          {func(t testing.TB) { check.Must(t) }, ""},
		"must not":      {func(t testing.TB) { check.Must(t, io.EOF, nil) }, "fatal: EOF"},
		"Value":         {func(t testing.TB) { check.Equal(t, check.Value(3, nil)(t), 3) }, ""},
		"no value":      {func(t testing.TB) { _ = check.Value(3, io.EOF)(t) }, "fatal: EOF"},
		"Equal":         {func(t testing.TB) { check.Equal(t, []int{1}, []int{1}) }, ""},
		"not equal":     {func(t testing.TB) { check.Equal(t, "a\n", "") }, "error: got\na\nwant\n\"\"\n"},
		"Error":         {func(t testing.TB) { check.Error(t, io.EOF, "EOF") }, ""},
		"another error": {func(t testing.TB) { check.Error(t, io.EOF, "eof") }, "error: got\nEOF\nwant\neof\n"},
		"no error":      {func(t testing.TB) { check.Error(t, nil, "eof") }, "error: got\n<nil>\nwant\neof\n"},
		"Contains":      {func(t testing.TB) { check.Contains(t, "abc", "a", "c") }, ""},
		"lacks":         {func(t testing.TB) { check.Contains(t, "abc", "a", "d") }, "error: got\nabc\nwhich lacks\nd\n"},
	} {
		var r recorded
		if test.check(&r); r.said != test.want {
			t.Errorf("%s: got %q, want %q", name, r.said, test.want)
		}
	}
}
