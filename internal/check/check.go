// Package check says in one line what a test expects. Only tests use it.
package check

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// OK fails the test if one of errs is not nil.
func OK(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// Must ends the test if one of errs is not nil.
func Must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// Value ends the test if err is not nil, and else returns value:
// check.Value(os.ReadFile(name))(t).
func Value[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		Must(t, err)
		return value
	}
}

// Equal fails the test if got is not want. Pointers are equal if what they point to
// is equal.
func Equal[T any](t testing.TB, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got%swant%s", shown(got), shown(want))
	}
}

// Error fails the test if err has another text than want.
func Error(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got%swant%s", shown(err), shown(want))
	}
}

// Contains fails the test if text lacks one of parts.
func Contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("got%swhich lacks%s", shown(text), shown(part))
		}
	}
}

// shown returns a value on lines of its own.
func shown(value any) string {
	text := fmt.Sprintf("%+v", value)
	if text == "" {
		text = `""`
	}
	return "\n" + strings.TrimSuffix(text, "\n") + "\n"
}
