package tasks_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/tasks"
)

// A program without tasks links no database: only the packages of the stores do.
func TestStoresAreNotLinked(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "..", "../runtime", "../cmd/ekiben").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, module := range []string{"modernc.org/", "github.com/jackc/"} {
		if strings.Contains(string(out), module) {
			t.Errorf("links %s", module)
		}
	}
}

// The error for a store that is not linked names the import.
func TestDriver(t *testing.T) {
	_, err := tasks.Driver(tasks.SQLite)
	check.Error(t, err, `tasks.store: "sqlite" needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/tasks/sqlite"`)
	_, err = tasks.Driver("redis")
	check.Contains(t, err.Error(), `must be "sqlite" or "postgres", found `)
	undo := tasks.Register(tasks.SQLite, func(tasks.Config) (tasks.Store, error) { return nil, nil })
	if _, err := tasks.Driver(tasks.SQLite); err != nil {
		t.Error(err)
	}
	undo()
	if _, err := tasks.Driver(tasks.SQLite); err == nil {
		t.Error("still registered")
	}
}
