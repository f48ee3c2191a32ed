package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ekiben-serving/ekiben/tasks"
)

// application marks our files: "Ekbn".
const application = 0x456b626e

// migrations are the statements that lead from each version of the schema to the next.
// The file has its version in user_version. Never change one that was released.
var migrations = []string{
	`CREATE TABLE tasks (
		seq           INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of submission
		id            TEXT NOT NULL UNIQUE,
		api           TEXT NOT NULL,
		status        TEXT NOT NULL,
		created       INTEGER NOT NULL, -- all times are microseconds since 1970
		started       INTEGER NOT NULL DEFAULT 0,
		ended         INTEGER NOT NULL DEFAULT 0,
		worker        TEXT NOT NULL DEFAULT '',
		claims        INTEGER NOT NULL DEFAULT 0,
		deaths        INTEGER NOT NULL DEFAULT 0,
		beat          INTEGER NOT NULL DEFAULT 0, -- when the lease began
		until         INTEGER NOT NULL DEFAULT 0, -- when it expires
		key           TEXT,
		digest        BLOB,
		path          TEXT NOT NULL,
		bytes         INTEGER NOT NULL,
		result_status INTEGER NOT NULL DEFAULT 0,
		header        BLOB NOT NULL,
		result_header BLOB,
		body          BLOB, -- the long columns are last: SQLite reads a row up to the column that it needs
		result_body   BLOB
	) STRICT;
	CREATE UNIQUE INDEX tasks_key ON tasks (api, key) WHERE key IS NOT NULL;
	CREATE INDEX tasks_waiting ON tasks (api, seq) WHERE status = 'waiting';
	CREATE INDEX tasks_running ON tasks (api, seq) WHERE status = 'running';
	CREATE INDEX tasks_ended ON tasks (ended, seq, bytes) WHERE ended > 0;
	CREATE INDEX tasks_stats ON tasks (api, status, created, bytes);`,
}

// Prepare implements [tasks.Store].
func (s *Store) Prepare(ctx context.Context) error {
	if err := s.writable(); err != nil {
		return err
	}
	err := s.migrate(ctx)
	if info, statErr := os.Stat(s.path); statErr == nil {
		s.file.Store(&info)
	}
	var failed *sqlite.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		return err
	}
	switch failed.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("tasks.path: %s must be a database of SQLite, or a file that does not exist yet: %w", s.path, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%w: %s: %w", tasks.ErrUnavailable, s.path, err)
	}
	return fmt.Errorf("tasks.path: %s: %w", s.path, err)
}

// writable returns an error that names the directory if SQLite could not write there. It
// needs two more files beside the database.
func (s *Store) writable() error {
	dir := filepath.Dir(s.path)
	probe, err := os.CreateTemp(dir, ".ekiben-tasks-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err == nil {
		var file *os.File
		if file, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600); err == nil { // requests may be private
			err = file.Close()
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", tasks.ErrUnavailable, err)
	}
	return fmt.Errorf("tasks.path: the directory %s must exist and this process must be able to write to it and to %s; set tasks.path to a file in such a directory: %w",
		dir, filepath.Base(s.path), err)
}

func (s *Store) migrate(ctx context.Context) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	version, err := s.version(ctx, tx)
	if err != nil {
		return err
	}
	for _, statements := range migrations[version:] {
		version++
		if _, err := tx.ExecContext(ctx, statements+fmt.Sprintf("; PRAGMA user_version = %d; PRAGMA application_id = %d", version, application)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// version returns the version of the schema, or an error if the file is not ours.
func (s *Store) version(ctx context.Context, tx *sql.Tx) (version int, err error) {
	var mark, tables int
	err = tx.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT COUNT(*) FROM sqlite_schema)`).
		Scan(&mark, &version, &tables)
	switch {
	case err != nil:
		return 0, err
	case mark != application && (mark != 0 || version != 0 || tables > 0):
		return 0, fmt.Errorf("tasks.path: %s belongs to another program; name another file", s.path)
	case version > len(migrations):
		return 0, fmt.Errorf("tasks.path: %s has version %d of the schema, and this program knows versions up to %d: run a newer program, or name another file", s.path, version, len(migrations))
	}
	return version, nil
}
