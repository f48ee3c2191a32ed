package tasking

import (
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/tasks"
)

// What the store returned does not undo what was counted since it was asked.
func TestNumbersAreNotUndone(t *testing.T) {
	var n numbers
	if !n.set(map[string]tasks.Stats{"a": {Waiting: 1}}, n.changed()) {
		t.Error("nothing had changed")
	}
	asked := n.changed()
	n.count("a", func(s *tasks.Stats) { s.Waiting++ })
	if n.set(map[string]tasks.Stats{"a": {Waiting: 1}}, asked) {
		t.Error("it was changed since")
	}
	check.Equal(t, n.of("a").Waiting, 2)
}
