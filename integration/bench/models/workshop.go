package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed services
var services embed.FS

// workshop has what the servers are made of.
type workshop struct {
	cache    string // packages and programs, which later runs use again
	temp     string // files of this run
	example  string // the folder of examples/embeddings
	model    string // the folder of the model
	python   string
	programs string
	versions map[string]string // of the Python packages
	guard    io.Closer
}

// prepare makes what is not in the cache yet.
func prepare(ctx context.Context, f flags) (w *workshop, err error) {
	w = &workshop{cache: f.Cache, versions: map[string]string{}}
	if w.cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("no cache folder, name one with --cache: %w", err)
		}
		w.cache = filepath.Join(user, "ekiben", "bench-models")
	}
	if w.cache, err = filepath.Abs(w.cache); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(w.cache, 0o750); err != nil {
		return nil, err
	}
	if w.temp, err = os.MkdirTemp("", "models-"); err != nil {
		return nil, err
	}
	if w.guard, err = startGuard(w.temp); err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.temp))
	}
	for _, step := range []func(context.Context, flags) error{w.findExample, w.fetchModel, w.build, w.installPackages, w.writeServices} {
		if err := step(ctx, f); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// mark is that of this run.
func (w *workshop) mark() string { return filepath.Base(w.temp) + "/" }

// close removes the files of this run.
func (w *workshop) close() { _ = w.guard.Close() }

func (w *workshop) findExample(ctx context.Context, _ flags) error {
	out, err := w.output(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return err
	}
	w.example = filepath.Join(filepath.Dir(strings.TrimSpace(out)), "examples", "embeddings")
	if _, err := os.Stat(filepath.Join(w.example, "go.mod")); err != nil {
		return fmt.Errorf("must run in the repository: %w", err)
	}
	return nil
}

func (w *workshop) fetchModel(ctx context.Context, _ flags) error {
	out, err := w.output(ctx, w.example, "go", "run", "./fetch", "-onnxruntime")
	w.model = strings.TrimSpace(out)
	return err
}

// build builds the example and the ceiling.
func (w *workshop) build(ctx context.Context, _ flags) error {
	w.programs = filepath.Join(w.cache, "programs")
	_, err := w.output(ctx, w.example, "go", "build", "-tags", "onnxruntime", "-o", w.programs+string(filepath.Separator), ".", "./ceiling")
	return err
}

// installPackages makes a virtual environment, once for each list of versions.
func (w *workshop) installPackages(ctx context.Context, _ flags) error {
	list, err := services.ReadFile("services/requirements.txt")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(list)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), "==")
		w.versions[name] = version
	}
	sum := sha256.Sum256(list)
	folder := filepath.Join(w.cache, "python-"+hex.EncodeToString(sum[:4]))
	w.python = filepath.Join(folder, "bin", "python")
	done := filepath.Join(folder, "complete")
	if _, err := os.Stat(done); err == nil {
		if _, err := w.output(ctx, "", w.python, "-c", ""); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
	} // else, or if the Python that it was made with is gone:
	fmt.Fprintln(os.Stderr, "models: installing "+strings.Join(strings.Fields(string(list)), " "))
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	requirements := filepath.Join(w.temp, "requirements.txt")
	if err := os.WriteFile(requirements, list, 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"python3", "-m", "venv", folder}, {w.python, "-m", "pip", "install", "--quiet", "--requirement", requirements}} {
		if _, err := w.output(ctx, "", args...); err != nil {
			return err
		}
	}
	return os.WriteFile(done, nil, 0o600)
}

// services is the folder of the Python files, in which every server runs.
func (w *workshop) services() string { return filepath.Join(w.temp, "services") }

// writeServices writes the Python files.
func (w *workshop) writeServices(_ context.Context, _ flags) error {
	return os.CopyFS(w.temp, services)
}

// output runs a command to its end, and returns what it prints.
func (w *workshop) output(ctx context.Context, folder string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), markName+w.mark())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, failure.String())
	}
	return out.String(), nil
}

// sides returns the servers.
func (w *workshop) sides(f flags) []*side {
	group, fast := "0", "0"
	if f.Group {
		group = "1"
	}
	if f.LitserveFast {
		fast = "1"
	}
	model := []string{
		"MINILM_FOLDER=" + w.model, fmt.Sprintf("MINILM_THREADS=%d", f.Threads), "MODEL_GROUP=" + group,
		fmt.Sprintf("RAYON_NUM_THREADS=%d", f.Threads), // the tokenizer's
		"BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME=" + filepath.Join(w.temp, "bentoml"),
		fmt.Sprintf("LITSERVE_WAIT=%g", f.LitserveWait.Seconds()), "LITSERVE_FAST=" + fast,
		"EKIBEN_HTTP__HOST=127.0.0.1", "EKIBEN_LOGGING__ACCESS__ENABLED=false",
	}
	made := func(name string, program ...string) *side {
		return &side{name: name, program: program, env: model, cells: map[cell][]result{}}
	}
	return []*side{
		made("Ekiben", filepath.Join(w.programs, "embeddings")),
		made("BentoML "+w.versions["bentoml"], w.python, "-m", "bentoml", "serve", "bentoml_service:Embedder", "--host", "127.0.0.1", "--port", "{port}"),
		made("LitServe "+w.versions["litserve"], w.python, "litserve_service.py", "{port}"),
	}
}
