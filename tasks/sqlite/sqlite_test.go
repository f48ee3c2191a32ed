package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/ekiben-serving/ekiben/tasks"
	"github.com/ekiben-serving/ekiben/tasks/sqlite"
	"github.com/ekiben-serving/ekiben/tasks/storetest"
)

func open(t *testing.T, path string) tasks.Store {
	t.Helper()
	s, err := sqlite.Open(tasks.Config{Path: path})
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
		err = s.Prepare(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func(*testing.T) tasks.Store {
		path := filepath.Join(t.TempDir(), "a ?#%20.db")
		return func(t *testing.T) tasks.Store { return open(t, path) }
	})
}
