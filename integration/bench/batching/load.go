package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/ekiben-serving/ekiben/internal/progress"
)

// measure has the results of one side in one round.
type measure struct {
	perSecond      float64
	p50, p99, lone time.Duration
	failed         int
}

// compareAll compares the sides with a model that sleeps, and with one that computes.
func (o *options) compareAll(ctx context.Context, table *tabwriter.Writer, sides []side) error {
	models := []bool{false, true}
	line := progress.New(os.Stderr, len(models)*o.rounds*(len(sides)+1))
	defer line.End()
	for _, burn := range models {
		if err := o.compare(ctx, table, sides, burn, line); err != nil {
			return err
		}
	}
	return nil
}

// compare measures each side once in each round, and prints the medians.
func (o *options) compare(ctx context.Context, table *tabwriter.Writer, sides []side, burn bool, line *progress.Line) error {
	title := "sleep"
	if burn {
		title = "CPU"
	}
	got := make([][]measure, len(sides))
	var ceilings []float64
	var models []time.Duration
	for range o.rounds {
		line.Stepf("%s: the model in a loop", title)
		perSecond, one := ceiling(burn)
		ceilings, models = append(ceilings, perSecond), append(models, one)
		for i, s := range sides {
			line.Stepf("%s: %s", title, s.name)
			m, err := o.measure(ctx, s, burn)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			got[i] = append(got[i], m)
		}
	}
	line.End() // the empty line below flushes the table
	_, _ = fmt.Fprintf(table, "%s model\trequests/s\tof ceiling\tp50\tp99\tlone p50\tover model\tfailed\n", title)
	most, model := median(ceilings), median(models)
	_, _ = fmt.Fprintf(table, "the model in a loop\t%.0f\t1.00\t\t\t%.2f ms\t0\t\n", most, milliseconds(model))
	for i, s := range sides {
		pick := func(of func(measure) float64) float64 {
			var all []float64
			for _, m := range got[i] {
				all = append(all, of(m))
			}
			return median(all)
		}
		perSecond := pick(func(m measure) float64 { return m.perSecond })
		lone := pick(func(m measure) float64 { return milliseconds(m.lone) })
		_, _ = fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.1f ms\t%.1f ms\t%.2f ms\t%.2f ms\t%.0f\n", s.name, perSecond, perSecond/most,
			pick(func(m measure) float64 { return milliseconds(m.p50) }), pick(func(m measure) float64 { return milliseconds(m.p99) }),
			lone, lone-milliseconds(model), pick(func(m measure) float64 { return float64(m.failed) }))
	}
	_, _ = fmt.Fprintln(table)
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median[T float64 | time.Duration](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// ceiling calls the model in a loop. It returns the items per second of full batches,
// and the duration of a call with one item.
func ceiling(burn bool) (perSecond float64, one time.Duration) {
	const batches = 60
	start := time.Now()
	for range batches {
		work(32, 10*time.Millisecond, 100*time.Microsecond, burn)
	}
	perSecond = 32 * batches / time.Since(start).Seconds()
	var ones []time.Duration
	for range batches {
		at := time.Now()
		work(1, 10*time.Millisecond, 100*time.Microsecond, burn)
		ones = append(ones, time.Since(at))
	}
	return perSecond, median(ones)
}

// started is a side that is ready.
type started struct {
	address string
	stop    func()
}

func (o *options) start(ctx context.Context, s side, env ...string) (*started, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := s.command(port)
	cmd.Env = append(append(os.Environ(), "BENTOML_DO_NOT_TRACK=True"), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // stop signals its children too
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // if BentoML is killed, its workers continue
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for range 600 {
		c := client{address: address}
		_, err := c.post()
		c.close()
		if err == nil {
			return &started{address, stop}, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			stop()
			return nil, ctx.Err()
		}
	}
	stop()
	return nil, errors.New("not ready after a minute")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // only its port is needed
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (o *options) measure(ctx context.Context, s side, burn bool) (measure, error) {
	env := "BURN=0"
	if burn {
		env = "BURN=1"
	}
	server, err := o.start(ctx, s, env)
	if err != nil {
		return measure{}, err
	}
	defer server.stop()
	load(server.address, o.clients, o.warm)
	took, failed := load(server.address, o.clients, o.each)
	if len(took) == 0 {
		return measure{}, errors.New("no request succeeded")
	}
	slices.Sort(took)
	m := measure{perSecond: float64(len(took)) / o.each.Seconds(), p50: took[len(took)/2], p99: took[len(took)*99/100], failed: failed}
	time.Sleep(200 * time.Millisecond)
	lone, _ := load(server.address, 1, o.each/2)
	if len(lone) > 0 {
		m.lone = median(lone)
	}
	return m, nil
}

// worstCase sends forty requests at once. A batch of four takes 30 ms and a response
// may take 100 ms, so three batches can be in time.
func (o *options) worstCase(ctx context.Context, sides []side) error {
	fmt.Println("40 calls at once, 30 ms a batch of 4, 100 ms at most: served")
	for _, s := range sides {
		if strings.HasPrefix(s.name, "LitServe") || strings.HasPrefix(s.name, "net/http") {
			continue // they have no deadline and so never refuse a request
		}
		server, err := o.start(ctx, s, "A=0.030", "B=0", "SIZE=4", "LATENCY=100")
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		cold := burst(server.address, 40)
		for range 15 {
			time.Sleep(300 * time.Millisecond)
			burst(server.address, 4)
		}
		time.Sleep(300 * time.Millisecond)
		fmt.Printf("  %s: %d cold, %d warm\n", s.name, cold, burst(server.address, 40))
		server.stop()
	}
	return nil
}
