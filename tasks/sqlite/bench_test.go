package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/tasks"
)

// BenchmarkTask submits, claims and finishes a task, which is on the disk after each step.
func BenchmarkTask(b *testing.B) {
	s := check.Value(Open(tasks.Config{Path: filepath.Join(b.TempDir(), "tasks.db")}))(b)
	defer s.Close()
	check.Must(b, s.Prepare(b.Context()))
	n := 0
	for b.Loop() {
		n++
		check.Value(s.Submit(b.Context(), tasks.Submission{ID: fmt.Sprint(n), API: "a", Request: tasks.Request{Body: []byte(`{"text":"hello"}`)}}))(b)
		run := check.Value(s.Claim(b.Context(), "a", "w", time.Minute))(b)
		check.Must(b, s.Finish(b.Context(), run, tasks.Completed, tasks.Result{Status: 200, Body: []byte("HELLO")}))
	}
}

// BenchmarkIdle looks for a task beside 10,000 ended ones.
func BenchmarkIdle(b *testing.B) {
	s := check.Value(Open(tasks.Config{Path: filepath.Join(b.TempDir(), "tasks.db")}))(b).(*Store)
	defer s.Close()
	check.Must(b, s.Prepare(b.Context()))
	check.Value(s.write.ExecContext(b.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO tasks (id, api, status, created, ended, path, header, body, bytes) SELECT i, 'a', 'completed', i, i, '/', CAST('{}' AS BLOB), zeroblob(5000), 5000 FROM n`))(b)
	for name, step := range map[string]func() error{
		"claim": func() error { _, err := s.Claim(b.Context(), "a", "w", time.Minute); return err },
		"stats": func() error { _, err := s.Stats(b.Context()); return err },
		"sweep": func() error { _, err := s.Sweep(b.Context(), tasks.Limits{TTL: 1e6 * time.Hour}); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				check.Must(b, step())
			}
		})
	}
}
