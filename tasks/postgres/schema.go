package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ekiben-serving/ekiben/tasks"
)

// migrations are the statements that lead from each version of the schema to the next.
// The table ekiben_tasks_schema has the version. Never change one that was released.
var migrations = []string{
	`CREATE TABLE ekiben_tasks (
		seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order of submission
		id            TEXT NOT NULL UNIQUE,
		api           TEXT NOT NULL,
		status        TEXT NOT NULL,
		created       TIMESTAMPTZ NOT NULL,
		started       TIMESTAMPTZ,
		ended         TIMESTAMPTZ,
		worker        TEXT NOT NULL DEFAULT '',
		claims        INTEGER NOT NULL DEFAULT 0,
		deaths        INTEGER NOT NULL DEFAULT 0,
		beat          TIMESTAMPTZ, -- when the lease began
		until         TIMESTAMPTZ, -- when it expires
		key           TEXT,
		digest        BYTEA,
		path          TEXT NOT NULL,
		header        BYTEA NOT NULL,
		body          BYTEA,
		result_status INTEGER NOT NULL DEFAULT 0,
		result_header BYTEA,
		result_body   BYTEA,
		bytes         BIGINT NOT NULL
	);
	CREATE UNIQUE INDEX ekiben_tasks_key ON ekiben_tasks (api, key) WHERE key IS NOT NULL;
	CREATE INDEX ekiben_tasks_waiting ON ekiben_tasks (api, seq) WHERE status = 'waiting';
	CREATE INDEX ekiben_tasks_running ON ekiben_tasks (api, seq) WHERE status = 'running';
	CREATE INDEX ekiben_tasks_ended ON ekiben_tasks (ended, seq) WHERE ended IS NOT NULL;
	CREATE INDEX ekiben_tasks_stats ON ekiben_tasks (api, status, created) INCLUDE (bytes);`,
}

// migrating is the key of the lock that one replica holds while it migrates: "Ekbn".
const migrating = 0x456b626e

// Prepare implements [tasks.Store].
func (s *Store) Prepare(ctx context.Context) error {
	var final error // ours, which another attempt does not change
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		final, err = migrate(ctx, tx)
		return err
	})
	var refused *pgconn.PgError
	switch {
	case final != nil:
		return final
	case err == nil:
		return nil
	case errors.As(err, &refused) && !temporary(refused.Code):
		return fmt.Errorf("tasks.dsn: the server refuses: %w", err)
	}
	return fmt.Errorf("%w: %w", tasks.ErrUnavailable, err)
}

// temporary reports whether an error of the server ends by itself: connections, resources,
// a shutdown or start of the server, its disk.
func temporary(code string) bool {
	for _, class := range []string{"08", "40", "53", "55", "57", "58"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

func migrate(ctx context.Context, tx pgx.Tx) (final, err error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrating); err != nil {
		return nil, err
	}
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('ekiben_tasks_schema') IS NOT NULL`).Scan(&exists); err != nil {
		return nil, err
	}
	if !exists {
		if _, err := tx.Exec(ctx, `CREATE TABLE ekiben_tasks_schema (version INTEGER NOT NULL); INSERT INTO ekiben_tasks_schema VALUES (0)`); err != nil {
			return nil, err
		}
	}
	var version int
	if err := tx.QueryRow(ctx, `SELECT version FROM ekiben_tasks_schema`).Scan(&version); err != nil {
		return nil, err
	}
	if version > len(migrations) {
		err := fmt.Errorf("tasks.dsn: the database has version %d of the schema, and this program knows versions up to %d: run a newer program, or name another database", version, len(migrations))
		return err, err
	}
	for _, statements := range migrations[version:] {
		version++
		if _, err := tx.Exec(ctx, statements+fmt.Sprintf("UPDATE ekiben_tasks_schema SET version = %d", version)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
