package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	_ "github.com/ekiben-serving/ekiben/tasks/postgres" // tasks.store: postgres
	_ "github.com/ekiben-serving/ekiben/tasks/sqlite"   // tasks.store: sqlite
)

// The variables of a server.
const (
	childPort = "KILLS_PORT"
	childRuns = "KILLS_RUNS" // the file with one line for each run that began
)

type words struct {
	Text string `json:"text"`
}

// serve serves the task upper until it is killed.
func serve() error {
	cfg := config.Default()
	cfg.Shutdown.Idle = 0
	var source config.Source
	for key, name := range map[string]string{"http.port": childPort, "tasks.store": "KILLS_STORE", "tasks.path": "KILLS_PATH", "tasks.dsn": "KILLS_DSN"} {
		source.Set = append(source.Set, config.Setting{Key: key, Value: os.Getenv(name), From: name})
	}
	cfg.HTTP.Host = "127.0.0.1"
	cfg.Logging.AccessLog.Enabled = false
	cfg.Tasks.Lease = time.Second
	cfg.Tasks.PollInterval = 50 * time.Millisecond
	cfg.Tasks.Attempts = 1000 // here the same task may be hit many times
	app := runtime.New("Kills", runtime.WithConfig(cfg), runtime.WithSource(source))
	runtime.HandleTask(app, "upper", upper)
	return ekiben.Serve(context.Background(), app)
}

// upper takes some time in which it can be killed.
func upper(ctx context.Context, in words) (string, error) {
	runs, err := os.OpenFile(os.Getenv(childRuns), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // run chooses the file
	if err == nil {
		_, err = runs.WriteString(in.Text + "\n")
	}
	if err != nil {
		return "", err
	}
	defer runs.Close() //nolint:errcheck // what counts is written
	select {
	case <-time.After(time.Duration(len(in.Text)*20) * time.Millisecond):
		return strings.ToUpper(in.Text), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
