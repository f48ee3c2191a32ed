// Command batching compares adaptive batching over HTTP: Ekiben, BentoML and LitServe
// serve the same model. The ceiling is the model called in a loop.
//
// It needs python3 with venv. It installs BentoML and LitServe into a temporary folder,
// or into the folder that --venv names and that it keeps.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

const (
	bentoMLVersion  = "1.4.39"
	litServeVersion = "0.2.19"
)

func main() {
	var o options
	flag.StringVar(&o.venv, "venv", "", "folder of a virtual environment to use and keep; default: a new one, removed afterwards")
	flag.StringVar(&o.peers, "peers", "integration/bench/batching/peers", "folder of the peers' services")
	flag.IntVar(&o.clients, "clients", 128, "closed-loop clients")
	flag.DurationVar(&o.warm, "warm", 5*time.Second, "warm-up of each side")
	flag.DurationVar(&o.each, "each", 10*time.Second, "measurement of each side")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the median is shown")
	flag.BoolVar(&o.alone, "alone", false, "this runtime only")
	serve := flag.Int("serve", 0, "serve the model on this port, for the command itself")
	bare := flag.Int("bare", 0, "serve the model on this port without this project, for the command itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *serve > 0:
		err = serveModel(ctx, *serve)
	case *bare > 0:
		err = serveBare(*bare)
	default:
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "batching:", err)
		os.Exit(1) //nolint:gocritic // the deferred calls have nothing to release
	}
}

type options struct {
	venv, peers string
	clients     int
	warm, each  time.Duration
	rounds      int
	alone       bool
}

// work is the model. It takes a + b·n: it sleeps, or computes if burn is true.
func work(n int, a, b time.Duration, burn bool) {
	took := a + b*time.Duration(n)
	if !burn {
		time.Sleep(took)
		return
	}
	for end := time.Now().Add(took); time.Now().Before(end); {
	}
}

// fromEnv returns the variable name as seconds, as the services in peers read it.
func fromEnv(name string, otherwise time.Duration) time.Duration {
	if v, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return time.Duration(v * float64(time.Second))
	}
	return otherwise
}

func serveModel(ctx context.Context, port int) error {
	a, b, burn := fromEnv("A", 10*time.Millisecond), fromEnv("B", 100*time.Microsecond), os.Getenv("BURN") == "1"
	batch := batcher.Config{MaxBatchSize: 32}
	if size, err := strconv.Atoi(os.Getenv("SIZE")); err == nil {
		batch.MaxBatchSize = size
	}
	if latency, err := strconv.Atoi(os.Getenv("LATENCY")); err == nil {
		batch.MaxLatency = time.Duration(latency) * time.Millisecond
	}
	cfg := config.Default()
	cfg.HTTP.Host, cfg.HTTP.Port = "127.0.0.1", port
	cfg.Logging.AccessLog.Enabled = false
	app := runtime.New("Model", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))))
	runtime.HandleBatch(app, "encode", func(_ context.Context, xs []int) ([]int, error) {
		work(len(xs), a, b, burn)
		out := make([]int, len(xs))
		for i, x := range xs {
			out[i] = 2 * x
		}
		return out, nil
	}, runtime.Batching(batch), runtime.ItemsField("xs"))
	return app.Run(ctx)
}

// serveBare serves the same model with net/http alone. Each request is a call, and one
// call runs at a time.
func serveBare(port int) error {
	burn := os.Getenv("BURN") == "1"
	var model sync.Mutex
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Xs []int `json:"xs"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		model.Lock()
		work(len(in.Xs), 10*time.Millisecond, 100*time.Microsecond, burn)
		model.Unlock()
		for i := range in.Xs {
			in.Xs[i] *= 2
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(in.Xs) //nolint:errchkjson // the client counts missing responses
	})
	return http.ListenAndServe("127.0.0.1:"+strconv.Itoa(port), handler)
}

// side is a server that is compared.
type side struct {
	name    string
	command func(port int) *exec.Cmd
}

func (o *options) run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sides := []side{{"net/http, no batching", func(port int) *exec.Cmd { return exec.CommandContext(ctx, self, "-bare", strconv.Itoa(port)) }},
		{"ekiben", func(port int) *exec.Cmd { return exec.CommandContext(ctx, self, "-serve", strconv.Itoa(port)) }}}
	if !o.alone {
		remove, err := o.prepare(ctx)
		if err != nil {
			return err
		}
		defer remove()
		sides = append(sides,
			side{"BentoML " + bentoMLVersion, func(port int) *exec.Cmd {
				cmd := exec.CommandContext(ctx, filepath.Join(o.venv, "bento", "bin", "bentoml"), "serve", "bento_service:Model", "--host", "127.0.0.1", "-p", strconv.Itoa(port))
				cmd.Dir = o.peers
				return cmd
			}},
			side{"LitServe " + litServeVersion, func(port int) *exec.Cmd {
				cmd := exec.CommandContext(ctx, filepath.Join(o.venv, "lit", "bin", "python"), "lit_server.py", strconv.Itoa(port))
				cmd.Dir = o.peers
				return cmd
			}})
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	if err := o.compareAll(ctx, table, sides); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return o.worstCase(ctx, sides)
}

// prepare installs BentoML and LitServe. remove deletes them if the folder is temporary.
func (o *options) prepare(ctx context.Context) (remove func(), err error) {
	remove = func() {}
	if o.venv == "" {
		if o.venv, err = os.MkdirTemp("", "batching-"); err != nil {
			return remove, err
		}
		remove = func() { _ = os.RemoveAll(o.venv) }
	}
	if o.peers, err = filepath.Abs(o.peers); err != nil {
		return remove, err
	}
	for name, requirement := range map[string]string{"bento": "bentoml==" + bentoMLVersion, "lit": "litserve==" + litServeVersion} {
		env := filepath.Join(o.venv, name)
		if _, err := os.Stat(filepath.Join(env, "bin", "python")); err == nil {
			continue
		}
		for _, args := range [][]string{{"python3", "-m", "venv", env}, {filepath.Join(env, "bin", "pip"), "install", "-q", requirement}} {
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			cmd.Stderr = os.Stderr
			if err := cmd.Run(); err != nil {
				return remove, fmt.Errorf("%v: %w", args, err)
			}
		}
	}
	return remove, nil
}
