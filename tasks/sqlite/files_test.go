package sqlite

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/tasks"
)

func made(t *testing.T, path string) *Store {
	t.Helper()
	s := check.Value(Open(tasks.Config{Path: path}))(t).(*Store)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func prepared(t *testing.T, path string) *Store {
	t.Helper()
	s := made(t, path)
	check.Must(t, s.Prepare(t.Context()))
	return s
}

func submit(s *Store, t *testing.T, id string) error {
	t.Helper()
	_, err := s.Submit(t.Context(), tasks.Submission{ID: id, API: "a", Request: tasks.Request{Body: bytes.Repeat([]byte("x"), 10000)}})
	return err
}

// Prepare refuses files that are not ours, in words, and leaves them as they are.
func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for name, one := range map[string]struct {
		statements string
		want       string
	}{
		"another program": {"CREATE TABLE songs (title TEXT)", "belongs to another program; name another file"},
		"another mark":    {"PRAGMA application_id = 7", "belongs to another program"},
		"a newer version": {"PRAGMA application_id = 0x456b626e; PRAGMA user_version = 9", "has version 9 of the schema, and this program knows versions up to 1: run a newer program"},
	} {
		path := filepath.Join(dir, name)
		other := made(t, path)
		check.Value(other.write.ExecContext(t.Context(), one.statements))(t)
		check.Must(t, other.Close())
		err := made(t, path).Prepare(t.Context())
		if err == nil || errors.Is(err, tasks.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check.Contains(t, err.Error(), "tasks.path: "+path, one.want)
	}
	text, content := filepath.Join(dir, "text"), bytes.Repeat([]byte("no database "), 1000)
	check.Must(t, os.WriteFile(text, content, 0o600))
	check.Contains(t, made(t, text).Prepare(t.Context()).Error(), "must be a database of SQLite")
	if after := check.Value(os.ReadFile(text))(t); !bytes.Equal(after, content) {
		t.Error("the file was changed")
	}
	if _, err := Open(tasks.Config{}); err == nil {
		t.Error("opened no file")
	}
}

// What is stored is private, and still there after the store is opened again.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	first := prepared(t, path)
	check.Must(t, submit(first, t, "1"), first.Close())
	if mode := check.Value(os.Stat(path))(t).Mode(); mode.Perm() != 0o600 {
		t.Errorf("mode %s", mode)
	}
	check.Value(prepared(t, path).Get(t.Context(), "a", "1"))(t)
}

// A file that was deleted or replaced takes no task: it ends with the process.
func TestDeletedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s := prepared(t, path)
	check.Must(t, submit(s, t, "1"), os.Rename(path, path+".away"))
	if err := submit(s, t, "2"); !errors.Is(err, tasks.ErrUnavailable) {
		t.Errorf("a deleted file: %v", err)
	}
	check.Must(t, os.WriteFile(path, nil, 0o600))
	if err := submit(s, t, "2"); !errors.Is(err, tasks.ErrUnavailable) {
		t.Errorf("a replaced file: %v", err)
	}
	check.Must(t, os.Rename(path+".away", path), submit(s, t, "2"))
}

// While another program locks the file, the store is away, and then works again.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	s, other := prepared(t, path), prepared(t, path)
	s.impatient(t)
	tx := check.Value(other.write.BeginTx(t.Context(), nil))(t)
	if err := submit(s, t, "1"); err == nil {
		t.Error("submitted to a locked file")
	}
	third := made(t, path)
	third.impatient(t)
	if err := third.Prepare(t.Context()); !errors.Is(err, tasks.ErrUnavailable) {
		t.Errorf("prepared a locked file: %v", err)
	}
	if _, err := s.Get(t.Context(), "a", "1"); !errors.Is(err, tasks.ErrNotFound) {
		t.Errorf("a read waits for the lock: %v", err)
	}
	check.Must(t, tx.Rollback(), submit(s, t, "1"))
}

// impatient makes the store wait for no lock.
func (s *Store) impatient(t *testing.T) {
	t.Helper()
	check.Value(s.write.ExecContext(t.Context(), "PRAGMA busy_timeout = 0"))(t)
}

// A full disk refuses what is new, and loses nothing.
func TestFullDisk(t *testing.T) {
	s := prepared(t, filepath.Join(t.TempDir(), "tasks.db"))
	check.Must(t, submit(s, t, "1"))
	var pages int
	check.Must(t, s.write.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
	check.Value(s.write.ExecContext(t.Context(), "PRAGMA max_page_count = 1"))(t) // becomes page_count
	if err := submit(s, t, "2"); err == nil {
		t.Fatal("submitted to a full disk")
	}
	check.Value(s.Get(t.Context(), "a", "1"))(t)
	check.Value(s.write.ExecContext(t.Context(), "PRAGMA max_page_count = 1000000"))(t)
	check.Must(t, submit(s, t, "2"))
}

// A clock that is set forward makes a lease expire early, and one that is set back makes
// nobody wait for it.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		s := prepared(t, filepath.Join(t.TempDir(), "tasks.db"))
		check.Must(t, submit(s, t, "1"))
		now := time.Now()
		s.now = func() time.Time { return now }
		claim := func(worker string) *tasks.Run {
			return check.Value(s.Claim(t.Context(), "a", worker, time.Minute))(t)
		}
		if claim("dead") == nil || claim("next") != nil {
			t.Fatal("the lease is not kept")
		}
		now = now.Add(jump)
		run := claim("next")
		if run == nil || claim("third") != nil {
			t.Fatalf("after a jump of %s: %+v", jump, run)
		}
		now = now.Add(-jump)
		if held := check.Value(s.Extend(t.Context(), "next", time.Minute))(t); len(held) != 1 || claim("third") != nil {
			t.Errorf("after a jump back of %s: %v", -jump, held)
		}
		check.Must(t, s.Finish(t.Context(), run, tasks.Completed, tasks.Result{}))
	}
}

// A copy of the database without its journal, as a backup may be, can be used.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	s := prepared(t, filepath.Join(dir, "tasks.db"))
	check.Must(t, submit(s, t, "1"))
	check.Value(s.write.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"))(t)
	from, to := check.Value(os.Open(filepath.Join(dir, "tasks.db")))(t), check.Value(os.Create(filepath.Join(dir, "copy.db")))(t)
	check.Value(io.Copy(to, from))(t)
	check.Must(t, from.Close(), to.Close())
	check.Value(prepared(t, filepath.Join(dir, "copy.db")).Get(t.Context(), "a", "1"))(t)
}
