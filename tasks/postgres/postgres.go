// Package postgres keeps tasks in a PostgreSQL database, which several replicas share. A
// program that sets tasks.store: postgres must import it, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/tasks/postgres"
//
// The tables are ekiben_tasks and ekiben_tasks_schema in the first schema of the
// search_path. All times are those of the server, so the clocks of the replicas do not
// matter.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ekiben-serving/ekiben/tasks"
)

func init() { tasks.Register(tasks.Postgres, Open) }

// Store is a [tasks.Store] in a database.
type Store struct{ pool *pgxpool.Pool }

var _ tasks.Store = (*Store)(nil)

// Open returns the store in the database that cfg.DSN names. It connects at the first use.
func Open(cfg tasks.Config) (tasks.Store, error) {
	parsed, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil { // its text may have the password
		return nil, errors.New("tasks.dsn: must be a connection string such as postgres://user:password@host:5432/database, found one that cannot be read (it is not shown, because it may hold a password)")
	}
	if parsed.ConnConfig.ConnectTimeout == 0 {
		parsed.ConnConfig.ConnectTimeout = connectTimeout
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), parsed)
	if err != nil {
		return nil, err
	}
	return &Store{pool}, nil
}

const connectTimeout = 5 * time.Second

// Close closes the connections.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// Submit implements [tasks.Store].
func (s *Store) Submit(ctx context.Context, sub tasks.Submission) (rec tasks.Record, err error) {
	header, err := json.Marshal(sub.Request.Header)
	if err != nil {
		return rec, err
	}
	var key *string
	if sub.Key != "" {
		key = &sub.Key
	}
	for range mostTries {
		rec, err = scan(s.pool.QueryRow(ctx, `
			INSERT INTO ekiben_tasks (id, api, status, created, key, digest, path, header, body, bytes)
			VALUES ($1, $2, 'waiting', clock_timestamp(), $3, $4, $5, $6, $7, $8) ON CONFLICT (api, key) WHERE key IS NOT NULL DO NOTHING RETURNING `+record,
			sub.ID, sub.API, key, sub.Digest, sub.Request.Path, header, sub.Request.Body, overhead+len(header)+len(sub.Request.Body)))
		if !errors.Is(err, tasks.ErrNotFound) {
			return rec, err
		}
		if rec, err = s.Submitted(ctx, sub); !errors.Is(err, tasks.ErrNotFound) {
			return rec, err
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
	rec, err := scan(s.pool.QueryRow(ctx, `SELECT `+record+`, digest = $1 FROM ekiben_tasks WHERE api = $2 AND key = $3`, sub.Digest, sub.API, sub.Key), &same)
	if err == nil && !same {
		err = tasks.ErrKeyReused
	}
	return rec, err
}

// Claim implements [tasks.Store]. SKIP LOCKED lets each replica take another task.
func (s *Store) Claim(ctx context.Context, api, worker string, lease time.Duration) (*tasks.Run, error) {
	run, err := s.claimed(ctx, `deaths + 1`, `status = 'running' AND worker <> $2 AND `+expired, api, worker, lease)
	if run != nil {
		run.Retaken = true
	}
	if run != nil || err != nil {
		return run, err
	}
	return s.claimed(ctx, `deaths`, `status = 'waiting'`, api, worker, lease)
}

// expired is the condition for a lease that has expired. A lease that begins more than
// its own length in the future was written before the clock was set back: nobody may
// wait for its end.
const expired = `(until <= clock_timestamp() OR beat - clock_timestamp() > until - beat)`

func (s *Store) claimed(ctx context.Context, deaths, which, api, worker string, lease time.Duration) (*tasks.Run, error) {
	run := &tasks.Run{Worker: worker}
	var header []byte
	rec, err := scan(s.pool.QueryRow(ctx, `
		WITH next AS (SELECT seq AS chosen FROM ekiben_tasks WHERE api = $1 AND `+which+` ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED)
		UPDATE ekiben_tasks SET status = 'running', worker = $2, claims = claims + 1, deaths = `+deaths+`,
			started = clock_timestamp(), beat = clock_timestamp(), until = clock_timestamp() + $3
		FROM next WHERE seq = chosen RETURNING `+record+`, claims, deaths, path, header, body`, api, worker, lease),
		&run.Claims, &run.Deaths, &run.Request.Path, &header, &run.Request.Body)
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
func (s *Store) Extend(ctx context.Context, worker string, lease time.Duration) ([]tasks.Held, error) {
	rows, err := s.pool.Query(ctx, `UPDATE ekiben_tasks SET beat = clock_timestamp(), until = clock_timestamp() + $2
		WHERE status = 'running' AND worker = $1 RETURNING id, claims`, worker, lease)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[tasks.Held])
}

// Finish implements [tasks.Store].
func (s *Store) Finish(ctx context.Context, run *tasks.Run, status tasks.Status, result tasks.Result) error {
	header, err := json.Marshal(result.Header)
	if err != nil {
		return err
	}
	return s.changed(ctx, `UPDATE ekiben_tasks SET status = $1, ended = clock_timestamp(), result_status = $2, result_header = $3, result_body = $4, bytes = bytes + $5
		WHERE status = 'running' AND id = $6 AND worker = $7 AND claims = $8`,
		status, result.Status, header, result.Body, len(header)+len(result.Body), run.ID, run.Worker, run.Claims)
}

// Release implements [tasks.Store].
func (s *Store) Release(ctx context.Context, run *tasks.Run) error {
	return s.changed(ctx, `UPDATE ekiben_tasks SET status = 'waiting', worker = '', started = NULL WHERE status = 'running' AND id = $1 AND worker = $2 AND claims = $3`,
		run.ID, run.Worker, run.Claims)
}

// changed runs a statement that changes the task of one run.
func (s *Store) changed(ctx context.Context, statement string, args ...any) error {
	done, err := s.pool.Exec(ctx, statement, args...)
	if err == nil && done.RowsAffected() == 0 {
		err = tasks.ErrLost
	}
	return err
}

// Get implements [tasks.Store].
func (s *Store) Get(ctx context.Context, api, id string) (tasks.Record, error) {
	return scan(s.pool.QueryRow(ctx, `SELECT `+record+` FROM ekiben_tasks WHERE id = $1 AND api = $2`, id, api))
}

// Request implements [tasks.Store].
func (s *Store) Request(ctx context.Context, api, id string) (tasks.Record, tasks.Request, error) {
	var req tasks.Request
	var header []byte
	rec, err := scan(s.pool.QueryRow(ctx, `SELECT `+record+`, path, header, body FROM ekiben_tasks WHERE id = $1 AND api = $2`, id, api), &req.Path, &header, &req.Body)
	if err == nil {
		err = json.Unmarshal(header, &req.Header)
	}
	return rec, req, err
}

// Result implements [tasks.Store].
func (s *Store) Result(ctx context.Context, api, id string) (tasks.Record, tasks.Result, error) {
	var result tasks.Result
	var header []byte
	rec, err := scan(s.pool.QueryRow(ctx, `SELECT `+record+`, result_status, result_header, result_body FROM ekiben_tasks WHERE id = $1 AND api = $2`, id, api),
		&result.Status, &header, &result.Body)
	if err == nil && header != nil {
		err = json.Unmarshal(header, &result.Header)
	}
	return rec, result, err
}

// Cancel implements [tasks.Store].
func (s *Store) Cancel(ctx context.Context, api, id string) (tasks.Record, error) {
	rec, err := scan(s.pool.QueryRow(ctx, `UPDATE ekiben_tasks SET status = 'cancelled', ended = clock_timestamp()
		WHERE id = $1 AND api = $2 AND status IN ('waiting', 'running') RETURNING `+record, id, api))
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
	rows, err := s.pool.Query(ctx, `SELECT api, status, COUNT(*), SUM(bytes)::bigint, MIN(created) FROM ekiben_tasks GROUP BY api, status`)
	if err != nil {
		return nil, err
	}
	all := map[string]tasks.Stats{}
	var api string
	var status tasks.Status
	var count int
	var bytes int64
	var oldest time.Time
	_, err = pgx.ForEachRow(rows, []any{&api, &status, &count, &bytes, &oldest}, func() error {
		one := all[api]
		one.Add(status, count, bytes, oldest.UTC())
		all[api] = one
		return nil
	})
	return all, err
}

// Sweep implements [tasks.Store].
func (s *Store) Sweep(ctx context.Context, limits tasks.Limits) (swept int, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		swept, err = sweep(ctx, tx, limits)
		return err
	})
	return swept, err
}

func sweep(ctx context.Context, tx pgx.Tx, limits tasks.Limits) (int, error) {
	var ended int
	var total int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FILTER (WHERE status NOT IN ('waiting', 'running')), COALESCE(SUM(bytes), 0)::bigint FROM ekiben_tasks`).Scan(&ended, &total); err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, `SELECT seq, ended, bytes, ended <= clock_timestamp() - $1::interval FROM ekiben_tasks WHERE ended IS NOT NULL ORDER BY ended, seq LIMIT $2`, limits.TTL, mostSwept)
	if err != nil {
		return 0, err
	}
	var seq, bytes int64
	var endedAt time.Time
	var old bool
	swept, enough := 0, false
	var last []any // of the tasks to delete
	_, err = pgx.ForEachRow(rows, []any{&seq, &endedAt, &bytes, &old}, func() error {
		enough = enough || !old && (limits.MaxEnded == 0 || ended <= limits.MaxEnded) && (limits.MaxBytes == 0 || total <= limits.MaxBytes)
		if !enough {
			swept, ended, total, last = swept+1, ended-1, total-bytes, []any{endedAt, seq}
		}
		return nil
	})
	if err != nil || swept == 0 {
		return 0, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM ekiben_tasks WHERE ended IS NOT NULL AND (ended, seq) <= ($1, $2)`, last...)
	return swept, err
}

// mostSwept bounds the time of one sweep.
const mostSwept = 500

// record lists the columns of a [tasks.Record].
const record = `id, api, status, created, started, ended`

// scan reads a record, and more columns after it.
func scan(row pgx.Row, more ...any) (rec tasks.Record, err error) {
	var started, ended *time.Time
	err = row.Scan(append([]any{&rec.ID, &rec.API, &rec.Status, &rec.Created, &started, &ended}, more...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return rec, tasks.ErrNotFound
	}
	rec.Created, rec.Started, rec.Ended = rec.Created.UTC(), utc(started), utc(ended)
	return rec, err
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
