package tasks

import (
	"fmt"
	"sync"
)

// The names of the stores, as the key tasks.store has them.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Config says where a store is.
type Config struct {
	// Path is the file of SQLite.
	Path string
	// DSN is the connection string of PostgreSQL. It may hold a password.
	DSN string
}

// Open opens a store. It does not wait for a server, so one that is down is no error.
type Open func(Config) (Store, error)

var drivers = struct {
	sync.Mutex

	byName map[string]Open
}{byName: map[string]Open{}}

// Register makes a store available by the name that tasks.store has, [SQLite] or
// [Postgres], in place of another one of the same name. The packages of these two call it;
// give any other store to runtime.WithTaskStore. It may be called concurrently. The
// returned function undoes it, for tests.
func Register(name string, open Open) (undo func()) {
	drivers.Lock()
	defer drivers.Unlock()
	before, had := drivers.byName[name]
	drivers.byName[name] = open
	return func() {
		drivers.Lock()
		defer drivers.Unlock()
		delete(drivers.byName, name)
		if had {
			drivers.byName[name] = before
		}
	}
}

// Driver returns a registered store. The error says which import is missing.
func Driver(name string) (Open, error) {
	drivers.Lock()
	defer drivers.Unlock()
	open, ok := drivers.byName[name]
	switch {
	case ok:
		return open, nil
	case name == SQLite || name == Postgres:
		return nil, fmt.Errorf(`tasks.store: %q needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/tasks/%s"`, name, name)
	}
	return nil, fmt.Errorf("tasks.store: must be %q or %q, found %q", SQLite, Postgres, name)
}
