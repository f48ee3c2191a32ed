package real

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/tasks"
	"github.com/ekiben-serving/ekiben/tasks/postgres"
	"github.com/ekiben-serving/ekiben/tasks/storetest"
)

// database is a real PostgreSQL server with a cluster of its own.
type database struct {
	dir, bin string
	port     int
	as       *syscall.Credential // PostgreSQL refuses to run as root
	stop     func()
	made     atomic.Int64 // databases
}

// startDatabase makes a cluster and starts its server.
func startDatabase(t *testing.T) *database {
	t.Helper()
	bin := check.Value(filepath.EvalSymlinks(need(t, "postgres")))(t) // the cache is closed to the server's user
	d := &database{bin: bin, port: freePort(t), stop: func() {}}
	d.dir = check.Value(os.MkdirTemp("", "ekiben-postgres"))(t) // t.TempDir is below a folder of this user
	t.Cleanup(func() { _ = os.RemoveAll(d.dir) })
	if os.Getuid() == 0 {
		owner := check.Value(user.Lookup("postgres"))(t) // Debian's package makes it
		uid, gid := check.Value(strconv.Atoi(owner.Uid))(t), check.Value(strconv.Atoi(owner.Gid))(t)
		check.Must(t, os.Chown(d.dir, uid, gid))
		d.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} // ids of the system
	}
	initdb := program(filepath.Join(d.bin, "initdb"), "-D", d.data(), "-A", "trust", "-U", "postgres", "--no-sync")
	initdb.SysProcAttr.Credential = d.as
	initdb.Dir = d.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	d.start(t)
	t.Cleanup(func() { d.stop() })
	return d
}

func (d *database) data() string { return filepath.Join(d.dir, "data") }

// start starts the server, and sets stop.
func (d *database) start(t *testing.T) {
	t.Helper()
	server := program(filepath.Join(d.bin, "postgres"), "-D", d.data(), "-p", strconv.Itoa(d.port), "-h", "127.0.0.1", "-k", d.dir, "-F")
	server.SysProcAttr.Credential = d.as
	server.Dir = d.dir
	var log output
	server.Stdout, server.Stderr = &log, &log
	check.Must(t, server.Start())
	d.stop = func() {
		_ = server.Process.Signal(syscall.SIGINT) // the connections are closed
		_ = server.Wait()
		d.stop = func() {}
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), "ready to accept connections"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.stop()
			t.Fatalf("the server does not start:\n%s", log.String())
		}
	}
}

// dsn returns the connection string of a new database.
func (d *database) dsn(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("tasks%d", d.made.Add(1))
	create := program(filepath.Join(d.bin, "createdb"), "-h", "127.0.0.1", "-p", strconv.Itoa(d.port), "-U", "postgres", name)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("createdb: %v\n%s", err, out)
	}
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", d.port, name)
}

// open opens a store of a database, without Prepare.
func (d *database) open(t *testing.T, dsn string) tasks.Store {
	t.Helper()
	s := check.Value(postgres.Open(tasks.Config{DSN: dsn}))(t)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The store in PostgreSQL keeps the promises of all stores.
func TestPostgresStore(t *testing.T) {
	d := startDatabase(t)
	storetest.Run(t, func(t *testing.T) func(*testing.T) tasks.Store {
		dsn := d.dsn(t)
		return func(t *testing.T) tasks.Store {
			s := d.open(t, dsn)
			check.Must(t, s.Prepare(t.Context()))
			return s
		}
	})
}

// Prepare tells what will pass from what will not.
func TestPostgresPrepare(t *testing.T) {
	d := startDatabase(t)
	dsn := d.dsn(t)
	prepare := func(dsn string) error { return d.open(t, dsn).Prepare(context.Background()) }
	at := func(change ...string) string { return strings.NewReplacer(change...).Replace(dsn) }
	for name, one := range map[string]struct{ dsn, text string }{
		"no database": {at("tasks1", "nope"), "does not exist"},
		"no user":     {at("postgres@", "nobody@"), "does not exist"},
	} {
		err := prepare(one.dsn)
		if check.Contains(t, fmt.Sprint(err), one.text); errors.Is(err, tasks.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := prepare(at(strconv.Itoa(d.port), strconv.Itoa(freePort(t)))); !errors.Is(err, tasks.ErrUnavailable) {
		t.Errorf("no server: %v", err)
	}
	check.Must(t, prepare(dsn))
	check.Must(t, prepare(dsn)) // again
	newer := program(filepath.Join(d.bin, "psql"), dsn, "-c", "UPDATE ekiben_tasks_schema SET version = 99")
	if out, err := newer.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check.Contains(t, fmt.Sprint(prepare(dsn)), "version 99 of the schema, and this program knows versions up to 1")
	_, err := postgres.Open(tasks.Config{DSN: "postgres://u:hunter2@h:port/d"})
	if check.Contains(t, fmt.Sprint(err), "tasks.dsn: must be a connection string"); strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad dsn: %v", err)
	}
}

// A server that stops and starts again loses nothing, and the store works again by itself.
func TestPostgresRestart(t *testing.T) {
	d := startDatabase(t)
	s := d.open(t, d.dsn(t))
	check.Must(t, s.Prepare(t.Context()))
	submit := func(id string) error {
		_, err := s.Submit(t.Context(), tasks.Submission{ID: id, API: "a"})
		return err
	}
	check.Must(t, submit("1"))
	run := check.Value(s.Claim(t.Context(), "a", "w", time.Hour))(t)
	d.stop()
	if err := submit("2"); err == nil {
		t.Error("submitted without a server")
	}
	if err := s.Prepare(t.Context()); !errors.Is(err, tasks.ErrUnavailable) {
		t.Errorf("prepared without a server: %v", err)
	}
	d.start(t)
	for deadline := time.Now().Add(time.Minute); submit("3") != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the store does not work again")
		}
	}
	check.Must(t, s.Finish(t.Context(), run, tasks.Completed, tasks.Result{Status: 200}))
	if rec := check.Value(s.Get(t.Context(), "a", "1"))(t); rec.Status != tasks.Completed {
		t.Errorf("%+v", rec)
	}
}

// Three replicas share a database, and none of their tasks is lost when they are killed.
func TestPostgresKills(t *testing.T) {
	d := startDatabase(t)
	out, err := tool(t, "kills", "--store", "postgres", "--dsn", d.dsn(t), "--replicas", "3", "--tasks", "400", "--kills", "20")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
}
