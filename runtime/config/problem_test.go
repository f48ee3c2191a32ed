package config

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

// Each of joined errors is one problem, with the text of the errors that wrap it.
func TestProblems(t *testing.T) {
	a, b := errors.New("a"), fmt.Errorf("b: %w", io.EOF)
	for _, c := range []struct {
		err  error
		want []string
	}{
		{nil, nil},
		{a, []string{"a"}},
		{errors.Join(a, b), []string{"a", "b: EOF"}},
		{fmt.Errorf("x: %w", errors.Join(a, fmt.Errorf("y: %w", errors.Join(a, b)))), []string{"x: a", "x: y: a", "x: y: b: EOF"}},
		{fmt.Errorf("x: %w", a), []string{"x: a"}},
		{fmt.Errorf("%w: %w", a, io.EOF), []string{"a: EOF"}}, // one sentence
		{fmt.Errorf("x: %w", fmt.Errorf("%w: %w", a, io.EOF)), []string{"x: a: EOF"}},
		{fmt.Errorf("%w: after", errors.Join(a, b)), []string{"a\nb: EOF: after"}}, // not the parts' text alone
	} {
		found := Problems(c.err)
		if len(found) != len(c.want) {
			t.Errorf("%v: got %q, want %q", c.err, found, c.want)
			continue
		}
		for i, one := range found {
			if one.Error() != c.want[i] || errors.Is(c.err, io.EOF) && i == len(found)-1 && !errors.Is(one, io.EOF) {
				t.Errorf("%v: got %q, want %q", c.err, one, c.want[i])
			}
		}
	}
}
