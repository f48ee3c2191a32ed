package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// loop is a process that calls a model in a loop, without a server. It computes only when
// it is asked to.
type loop struct {
	name    string
	server  *server // the process
	in      *os.File
	out     *bufio.Reader
	from    *os.File
	about   map[string]any // what it says of itself
	results []float64      // texts/s
}

// startLoop starts a loop and awaits its first line.
func startLoop(ctx context.Context, w *workshop, name string, env []string, args ...string) (*loop, error) {
	input, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close() //nolint:errcheck // the process has its own
	out, output, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer output.Close() //nolint:errcheck // the process has its own
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout = input, output
	process, err := launch(cmd, w.mark(), w.services(), env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	l := &loop{name: name, server: process, in: in, out: bufio.NewReader(out), from: out}
	if err := l.answer(ctx, startLimit, &l.about); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

// run lets the loop compute for a time.
func (l *loop) run(ctx context.Context, seconds float64) (perSecond float64, err error) {
	if _, err := fmt.Fprintf(l.in, "%g\n", seconds); err != nil {
		return 0, fmt.Errorf("%s: %w", l.name, err)
	}
	var took struct{ Texts, Seconds float64 }
	if err := l.answer(ctx, time.Duration(seconds*float64(time.Second))+time.Minute, &took); err != nil {
		return 0, err
	}
	l.results = append(l.results, took.Texts/took.Seconds)
	return took.Texts / took.Seconds, nil
}

// answer reads a line of JSON.
func (l *loop) answer(ctx context.Context, limit time.Duration, to any) error {
	_ = l.from.SetReadDeadline(time.Now().Add(limit))
	defer context.AfterFunc(ctx, func() { _ = l.from.SetReadDeadline(time.Unix(1, 0)) })()
	line, err := l.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, to)
	}
	if err != nil {
		return fmt.Errorf("%s: must print a line of JSON, found %q: %w; the end of its log: %s", l.name, strings.TrimSpace(string(line)), err, l.server.logEnd())
	}
	return nil
}

func (l *loop) stop() {
	_ = l.in.Close()
	l.server.stop()
	_ = l.from.Close()
}
