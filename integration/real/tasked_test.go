package real

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// tasked starts two services that run tasks and have sockets, as a job of their own: one
// that gets few tasks, and one that gets more than it can run. Another job has the first
// one only, so that a query for all jobs returns something else.
func tasked(t *testing.T) (config string, flow func() (stop func())) {
	t.Helper()
	few, many := freePort(t), freePort(t)
	config = fmt.Sprintf("- {job_name: tasks, static_configs: [{targets: ['127.0.0.1:%d'], labels: {instance: few}}, {targets: ['127.0.0.1:%d'], labels: {instance: many}}]}\n", few, many)
	config += fmt.Sprintf("- {job_name: few tasks, static_configs: [{targets: ['127.0.0.1:%d'], labels: {instance: few}}]}\n", few)
	return config, func() func() {
		dir := t.TempDir()
		startTwin(t, few, "--app=kinds", "app.name=few", "app.version=1", "tasks.path="+filepath.Join(dir, "few.db"), "tasks.workers=8")
		startTwin(t, many, "--app=kinds", "app.name=many", "app.version=2", "tasks.path="+filepath.Join(dir, "many.db"), "tasks.workers=3")
		_, stop := load(t,
			clients{1, local(few) + "/slowly/submit", time.Second / 3, []string{`{"text":"a"}`, `{"text":"boom"}`}},
			clients{2, local(many) + "/slowly/submit", time.Second / 5, []string{`{"text":"a"}`}})
		closeFew, closeMany := sockets(t, few, 2), sockets(t, many, 3)
		return inTurn(stop, closeFew, closeMany)
	}
}

// sockets opens n sockets, which say nothing.
func sockets(t *testing.T, port, n int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	for range n {
		conn, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/app/ws", port), nil)
		check.Must(t, err)
		open.Go(func() { _, _, _ = conn.Read(ctx) })
	}
	return func() { cancel(); open.Wait() }
}
