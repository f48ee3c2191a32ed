package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/internal/progress"
)

// side is a server process under load.
type side struct {
	name    string
	program string
	args    []string
	url     string
	cmd     *exec.Cmd
	results []result
}

// result is one round of one side.
type result struct {
	perSecond float64
	p99       time.Duration
	cpu       time.Duration // of one request
}

func measure(ctx context.Context, f flags) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk must be on the PATH (Debian package wrk)")
	}
	fmt.Printf("%d rounds of %d s a side, %d connections, %s\n\n", f.Rounds, f.Seconds, f.Connections, f.Variant)
	fmt.Println(strings.ReplaceAll("| text | requests/s, "+f.sides()[0].name+" | SIDE | ratio | CPU/request | SIDE | ratio | p99 | SIDE | ratio |", "SIDE", f.Side))
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	line := progress.New(os.Stderr, f.steps())
	defer line.End()
	for _, size := range f.Sizes {
		if err := measureSize(ctx, f, size, line); err != nil {
			return err
		}
	}
	return nil
}

// steps returns the number of measurements: one for each size, side and round.
func (f flags) steps() int { return len(f.Sizes) * 2 * f.Rounds }

func measureSize(ctx context.Context, f flags, size int, line *progress.Line) error {
	script, err := writeScript(size)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(filepath.Dir(script)) }()
	sides := f.sides()
	for round := range f.Rounds {
		for i := range sides {
			s := sides[(i+round)%2]
			line.Stepf("%d B, %s", size, s.name)
			r, err := s.round(ctx, f, script)
			if err != nil {
				return err
			}
			s.results = append(s.results, r)
		}
	}
	line.End()
	report(size, sides[0].results, sides[1].results)
	return nil
}

// round measures a new process: two processes of one program differ by some percent, by where
// their memory lies, as long as they run.
func (s *side) round(ctx context.Context, f flags, script string) (result, error) {
	if err := s.start(ctx); err != nil {
		return result{}, err
	}
	defer s.stop()
	if _, err := s.load(ctx, f, script, warming); err != nil {
		return result{}, err
	}
	return s.load(ctx, f, script, time.Duration(f.Seconds)*time.Second)
}

// warming is the time of load before a measurement.
const warming = time.Second

// sides returns the two sides: bare, this build without an objective or another build, and this build.
func (f flags) sides() []*side {
	args := func(serve string) []string {
		if f.Variant == "plain" { // an older build may lack the flag
			return []string{"--serve", serve}
		}
		return []string{"--serve", serve, "--variant", f.Variant}
	}
	first := &side{name: "bare", program: os.Args[0], args: args("bare")}
	if f.Side == "slow" {
		first = &side{name: "ekiben", program: os.Args[0], args: args("ekiben")}
	}
	if f.Against != "" {
		first = &side{name: "other", program: f.Against, args: args(f.Side)}
	}
	return []*side{first, {name: f.Side, program: os.Args[0], args: args(f.Side)}}
}

func writeScript(size int) (string, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", err
	}
	script := filepath.Join(dir, "post.lua")
	text := fmt.Sprintf(`wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"text":"%s"}'
`, strings.Repeat("x", size))
	return script, os.WriteFile(script, []byte(text), 0o600)
}

func (s *side) start(ctx context.Context) error {
	s.cmd = exec.CommandContext(ctx, s.program, s.args...)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	s.url = "http://" + strings.TrimSpace(address) + "/echo"
	return err
}

func (s *side) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

var (
	requests = regexp.MustCompile(`(\d+) requests in`)
	rate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	p99      = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
	failed   = regexp.MustCompile(`Non-2xx[^\n]*|Socket errors[^\n]*`)
)

func (s *side) load(ctx context.Context, f flags, script string, d time.Duration) (result, error) {
	before, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return result{}, err
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t", "1", "-c", strconv.Itoa(f.Connections), "-d", strconv.Itoa(int(d.Seconds()))+"s",
		"--latency", "-s", script, s.url).CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	after, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return result{}, err
	}
	if bad := failed.Find(out); bad != nil {
		return result{}, fmt.Errorf("%s: %s", s.name, bad)
	}
	return parse(out, after-before)
}

func parse(out []byte, cpu time.Duration) (result, error) {
	count, perSecond, tail := requests.FindSubmatch(out), rate.FindSubmatch(out), p99.FindSubmatch(out)
	if count == nil || perSecond == nil || tail == nil {
		return result{}, fmt.Errorf("cannot parse the output of wrk: %s", out)
	}
	n, err1 := strconv.ParseFloat(string(count[1]), 64)
	r, err2 := strconv.ParseFloat(string(perSecond[1]), 64)
	late, err3 := time.ParseDuration(string(tail[1]) + string(tail[2]))
	return result{perSecond: r, p99: late, cpu: time.Duration(float64(cpu) / n)}, errors.Join(err1, err2, err3)
}

// cpuTime returns the user and system time of a process. The kernel counts them in
// steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// report prints the medians of both sides, and the medians of the ratios of the
// rounds with their confidence intervals.
func report(size int, bare, ours []result) {
	column := func(format string, of func(result) float64) string {
		var b, o, ratios []float64
		for i := range bare {
			b, o = append(b, of(bare[i])), append(o, of(ours[i]))
			ratios = append(ratios, of(ours[i])/of(bare[i]))
		}
		low, high := confidence(ratios)
		return fmt.Sprintf(format+" | "+format+" | %.3f (%.3f–%.3f)", median(b), median(o), median(ratios), low, high)
	}
	fmt.Printf("| %d B | %s | %s | %s |\n", size,
		column("%.0f", func(r result) float64 { return r.perSecond }),
		column("%.1f µs", func(r result) float64 { return float64(r.cpu) / 1e3 }),
		column("%.2f ms", func(r result) float64 { return float64(r.p99) / 1e6 }))
}

// confidence returns the interval that contains the median of all possible rounds, with
// 95 % confidence. It assumes no distribution of the values: the number of rounds
// below that median is binomial.
func confidence(values []float64) (low, high float64) {
	slices.Sort(values)
	n := float64(len(values))
	rank := max(0, int((n-1.96*math.Sqrt(n))/2))
	return values[rank], values[len(values)-1-rank]
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
