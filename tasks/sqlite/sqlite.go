// Package sqlite keeps tasks in one file, by SQLite without cgo. A program that sets
// tasks.store: sqlite, which is the default, must import it, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/tasks/sqlite"
//
// Several processes of one machine may use the file at the same time. It must be on a
// local disk: SQLite's locks do not work on network file systems.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/ekiben-serving/ekiben/tasks"
)

func init() { tasks.Register(tasks.SQLite, Open) }

// Store is a [tasks.Store] in a file.
type Store struct {
	path string
	now  func() time.Time // SQLite has no clock that a test could set

	file atomic.Pointer[os.FileInfo] // of the database that is open

	write *sql.DB // one connection: SQLite has one writer at a time
	read  *sql.DB
}

var _ tasks.Store = (*Store)(nil)

// Open returns the store in the file cfg.Path. It opens nothing before Prepare.
func Open(cfg tasks.Config) (tasks.Store, error) {
	if cfg.Path == "" {
		return nil, errors.New("tasks.path: must name a file, such as tasks.db, found none")
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("tasks.path: %w", err)
	}
	s := &Store{path: path, now: time.Now}
	if s.write, err = sql.Open("sqlite", s.source()); err != nil {
		return nil, fmt.Errorf("tasks.path: %w", err)
	}
	if s.read, err = sql.Open("sqlite", s.source()); err != nil {
		return nil, fmt.Errorf("tasks.path: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	s.read.SetMaxOpenConns(mostReaders)
	return s, nil
}

const (
	mostReaders = 4
	// busyTimeout is how long a statement waits for another process that writes.
	busyTimeout = 3 * time.Second
)

// source returns the name of the database with the settings of each connection. With
// synchronous FULL, what is committed survives a power cut.
func (s *Store) source() string {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)",
	}}
	return (&url.URL{Scheme: "file", Path: s.path, RawQuery: query.Encode()}).String()
}

// there returns an error if the file was deleted or replaced: SQLite would go on with a
// file that ends with the process.
func (s *Store) there() error {
	open := s.file.Load()
	if open == nil { // before Prepare
		return nil
	}
	if now, err := os.Stat(s.path); err != nil || !os.SameFile(*open, now) {
		return fmt.Errorf("%w: %s was deleted or replaced while it was open; start the program again", tasks.ErrUnavailable, s.path)
	}
	return nil
}

// Close closes the file.
func (s *Store) Close() error { return errors.Join(s.write.Close(), s.read.Close()) }

// Submit implements [tasks.Store].
func (s *Store) Submit(ctx context.Context, sub tasks.Submission) (tasks.Record, error) {
	header, err := json.Marshal(sub.Request.Header)
	if err != nil {
		return tasks.Record{}, err
	}
	if err := s.there(); err != nil {
		return tasks.Record{}, err
	}
	rec := tasks.Record{ID: sub.ID, API: sub.API, Status: tasks.Waiting, Created: s.now().UTC().Truncate(time.Microsecond)}
	key := sql.NullString{String: sub.Key, Valid: sub.Key != ""}
	for range mostTries {
		done, err := s.write.ExecContext(ctx, `
			INSERT INTO tasks (id, api, status, created, key, digest, path, header, body, bytes)
			VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (api, key) WHERE key IS NOT NULL DO NOTHING`,
			sub.ID, sub.API, rec.Created.UnixMicro(), key, sub.Digest, sub.Request.Path, header, sub.Request.Body, overhead+len(header)+len(sub.Request.Body))
		if err != nil {
			return tasks.Record{}, err
		}
		if added, err := done.RowsAffected(); err != nil || added == 1 {
			return rec, err
		}
		older, err := s.Submitted(ctx, sub)
		if !errors.Is(err, tasks.ErrNotFound) {
			return older, err
		} // else it was deleted just now
	}
	return tasks.Record{}, tasks.ErrUnavailable
}

const (
	mostTries = 3
	// overhead is roughly what a task takes beside its bodies, in bytes.
	overhead = 256
)

// Submitted implements [tasks.Store].
func (s *Store) Submitted(ctx context.Context, sub tasks.Submission) (tasks.Record, error) {
	var same bool
	rec, err := scan(s.write.QueryRowContext(ctx, `SELECT `+record+`, digest = ? FROM tasks WHERE api = ? AND key = ?`, sub.Digest, sub.API, sub.Key), &same)
	switch {
	case err != nil:
		return rec, err
	case !same:
		return rec, tasks.ErrKeyReused
	}
	return rec, nil
}

// Claim implements [tasks.Store].
func (s *Store) Claim(ctx context.Context, api, worker string, lease time.Duration) (*tasks.Run, error) {
	now, until := s.now().UnixMicro(), s.now().Add(lease).UnixMicro()
	const taken = `UPDATE tasks SET status = 'running', worker = ?, claims = claims + 1, started = ?, beat = ?, until = ?`
	const returned = ` LIMIT 1) RETURNING ` + record + `, claims, deaths, path, header, body`
	run, err := s.claimed(ctx, worker, taken+`, deaths = deaths + 1 WHERE seq = (
		SELECT seq FROM tasks WHERE status = 'running' AND api = ? AND worker <> ? AND `+expired+` ORDER BY seq`+returned,
		worker, now, now, until, api, worker, now, now)
	if run != nil {
		run.Retaken = true
	}
	if run != nil || err != nil {
		return run, err
	}
	return s.claimed(ctx, worker, taken+` WHERE seq = (SELECT seq FROM tasks WHERE status = 'waiting' AND api = ? ORDER BY seq`+returned,
		worker, now, now, until, api)
}

// expired is the condition for a lease that has expired. A lease that begins more than
// its own length in the future was written before the clock was set back: nobody may
// wait for its end.
const expired = `(until <= ? OR beat - ? > until - beat)`

func (s *Store) claimed(ctx context.Context, worker, statement string, args ...any) (*tasks.Run, error) {
	run := &tasks.Run{Worker: worker}
	var header []byte
	rec, err := scan(s.write.QueryRowContext(ctx, statement, args...), &run.Claims, &run.Deaths, &run.Request.Path, &header, &run.Request.Body)
	switch {
	case errors.Is(err, tasks.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	run.Record = rec
	return run, json.Unmarshal(header, &run.Request.Header)
}

// Extend implements [tasks.Store].
func (s *Store) Extend(ctx context.Context, worker string, lease time.Duration) (held []tasks.Held, err error) {
	now := s.now()
	rows, err := s.write.QueryContext(ctx, `UPDATE tasks SET beat = ?, until = ? WHERE status = 'running' AND worker = ? RETURNING id, claims`,
		now.UnixMicro(), now.Add(lease).UnixMicro(), worker)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has the error
	for rows.Next() {
		var one tasks.Held
		if err := rows.Scan(&one.ID, &one.Claims); err != nil {
			return nil, err
		}
		held = append(held, one)
	}
	return held, rows.Err()
}

// Finish implements [tasks.Store].
func (s *Store) Finish(ctx context.Context, run *tasks.Run, status tasks.Status, result tasks.Result) error {
	header, err := json.Marshal(result.Header)
	if err != nil {
		return err
	}
	return s.changed(ctx, `UPDATE tasks SET status = ?, ended = ?, result_status = ?, result_header = ?, result_body = ?, bytes = bytes + ?
		WHERE status = 'running' AND id = ? AND worker = ? AND claims = ?`,
		status, s.now().UnixMicro(), result.Status, header, result.Body, len(header)+len(result.Body), run.ID, run.Worker, run.Claims)
}

// Release implements [tasks.Store].
func (s *Store) Release(ctx context.Context, run *tasks.Run) error {
	return s.changed(ctx, `UPDATE tasks SET status = 'waiting', worker = '', started = 0 WHERE status = 'running' AND id = ? AND worker = ? AND claims = ?`,
		run.ID, run.Worker, run.Claims)
}

// changed runs a statement that changes the task of one run.
func (s *Store) changed(ctx context.Context, statement string, args ...any) error {
	done, err := s.write.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	if rows, err := done.RowsAffected(); err != nil || rows == 1 {
		return err
	}
	return tasks.ErrLost
}

// Get implements [tasks.Store].
func (s *Store) Get(ctx context.Context, api, id string) (tasks.Record, error) {
	return scan(s.read.QueryRowContext(ctx, `SELECT `+record+` FROM tasks WHERE id = ? AND api = ?`, id, api))
}

// Request implements [tasks.Store].
func (s *Store) Request(ctx context.Context, api, id string) (tasks.Record, tasks.Request, error) {
	var req tasks.Request
	var header []byte
	rec, err := scan(s.read.QueryRowContext(ctx, `SELECT `+record+`, path, header, body FROM tasks WHERE id = ? AND api = ?`, id, api), &req.Path, &header, &req.Body)
	if err == nil {
		err = json.Unmarshal(header, &req.Header)
	}
	return rec, req, err
}

// Result implements [tasks.Store].
func (s *Store) Result(ctx context.Context, api, id string) (tasks.Record, tasks.Result, error) {
	var result tasks.Result
	var header []byte
	rec, err := scan(s.read.QueryRowContext(ctx, `SELECT `+record+`, result_status, result_header, result_body FROM tasks WHERE id = ? AND api = ?`, id, api),
		&result.Status, &header, &result.Body)
	if err == nil && header != nil {
		err = json.Unmarshal(header, &result.Header)
	}
	return rec, result, err
}

// Cancel implements [tasks.Store].
func (s *Store) Cancel(ctx context.Context, api, id string) (tasks.Record, error) {
	rec, err := scan(s.write.QueryRowContext(ctx, `UPDATE tasks SET status = 'cancelled', ended = ? WHERE id = ? AND api = ? AND status IN ('waiting', 'running') RETURNING `+record,
		s.now().UnixMicro(), id, api))
	if !errors.Is(err, tasks.ErrNotFound) {
		return rec, err
	}
	if rec, err = s.Get(ctx, api, id); err == nil {
		err = tasks.ErrEnded
	}
	return rec, err
}

// Stats implements [tasks.Store].
func (s *Store) Stats(ctx context.Context) (map[string]tasks.Stats, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT api, status, COUNT(*), SUM(bytes), MIN(created) FROM tasks GROUP BY api, status`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has the error
	all := map[string]tasks.Stats{}
	for rows.Next() {
		var api string
		var status tasks.Status
		var count int
		var bytes, oldest int64
		if err := rows.Scan(&api, &status, &count, &bytes, &oldest); err != nil {
			return nil, err
		}
		one := all[api]
		one.Add(status, count, bytes, at(oldest))
		all[api] = one
	}
	return all, rows.Err()
}

// Sweep implements [tasks.Store].
func (s *Store) Sweep(ctx context.Context, limits tasks.Limits) (int, error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	var ended int
	var bytes int64
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FILTER (WHERE status NOT IN ('waiting', 'running')), COALESCE(SUM(bytes), 0) FROM tasks`).Scan(&ended, &bytes); err != nil {
		return 0, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT seq, ended, bytes FROM tasks WHERE ended > 0 ORDER BY ended, seq LIMIT ?`, mostSwept)
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has the error
	before := s.now().Add(-limits.TTL).UnixMicro()
	var last []any // seq and ended of the last one to delete
	swept := 0
	for rows.Next() {
		var seq, endedAt, size int64
		if err := rows.Scan(&seq, &endedAt, &size); err != nil {
			return 0, err
		}
		if endedAt > before && (limits.MaxEnded == 0 || ended <= limits.MaxEnded) && (limits.MaxBytes == 0 || bytes <= limits.MaxBytes) {
			break
		}
		swept, ended, bytes, last = swept+1, ended-1, bytes-size, []any{endedAt, seq}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || swept == 0 {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM tasks WHERE ended > 0 AND (ended, seq) <= (?, ?)`, last...); err != nil {
		return 0, err
	}
	return swept, tx.Commit()
}

// mostSwept bounds the time for which Sweep holds the file.
const mostSwept = 500

// record lists the columns of a [tasks.Record].
const record = `id, api, status, created, started, ended`

// scan reads a record, and more columns after it.
func scan(row *sql.Row, more ...any) (rec tasks.Record, err error) {
	var created, started, ended int64
	err = row.Scan(append([]any{&rec.ID, &rec.API, &rec.Status, &created, &started, &ended}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return rec, tasks.ErrNotFound
	}
	rec.Created, rec.Started, rec.Ended = at(created), at(started), at(ended)
	return rec, err
}

// at returns a time in microseconds as it is stored; 0: none.
func at(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}
