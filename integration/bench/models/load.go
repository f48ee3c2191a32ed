package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dimensions = 384              // of a vector
	patience   = 90 * time.Second // for a response; the servers' own limit is 60 s
)

// client has one connection, which the calling goroutine writes and reads. net/http's client
// uses two more goroutines for each call, whose time the server would lack.
type client struct {
	address string
	conn    net.Conn
	read    *bufio.Reader
	content bytes.Buffer // of the last response
}

// post sends a request. The response must have a vector for each text.
func (c *client) post(ctx context.Context, request []byte, texts int) error {
	if err := c.call(ctx, request); err != nil {
		c.close()
		return err
	}
	if commas := bytes.Count(c.content.Bytes(), []byte{','}); commas != texts*dimensions-1 {
		return fmt.Errorf("the response must have %d vectors of %d numbers, found %d commas in %d bytes", texts, dimensions, commas, c.content.Len())
	}
	return nil
}

func (c *client) call(ctx context.Context, request []byte) error {
	if c.conn == nil {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", c.address)
		if err != nil {
			return err
		}
		c.conn, c.read = conn, bufio.NewReaderSize(conn, 64<<10)
	}
	conn := c.conn
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return err
	}
	c.content.Reset()
	_, err = c.content.ReadFrom(response.Body)
	_ = response.Body.Close()
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.300s", response.StatusCode, c.content.Bytes())
	}
	if response.Close {
		c.close()
	}
	return err
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// cell is a kind of load.
type cell struct{ clients, texts int }

func (c cell) String() string { return several(c.clients, "client") + ", " + several(c.texts, "text") }

// several returns a number with a noun.
func several(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// result is a cell, measured once.
type result struct {
	perSecond float64 // texts
	p50, p99  time.Duration
	failed    int
	failure   error // the first
}

// load has the texts, and the requests with them.
type load struct {
	texts    []string
	requests map[int][][]byte // by the number of texts in one
}

func newLoad(seed uint64) *load {
	return &load{makeTexts(seed), map[int][][]byte{}}
}

// run sends requests for a time, from the first text on, and awaits their responses. A rate
// counts the time until the last response, because responses come in batches.
func (l *load) run(ctx context.Context, address string, c cell, d time.Duration) result {
	if l.requests[c.texts] == nil {
		l.requests[c.texts] = httpRequests(l.texts, c.texts)
	}
	requests := l.requests[c.texts]
	var next, failed atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var r result
	var all sync.WaitGroup
	start := time.Now()
	for range c.clients {
		all.Go(func() {
			one := &client{address: address}
			defer one.close()
			var mine []time.Duration
			for time.Since(start) < d && ctx.Err() == nil {
				at := time.Now()
				err := one.post(ctx, requests[int(next.Add(1)-1)%len(requests)], c.texts)
				if err == nil {
					mine = append(mine, time.Since(at))
					continue
				}
				if failed.Add(1) == 1 {
					mu.Lock()
					r.failure = err
					mu.Unlock()
				}
				time.Sleep(10 * time.Millisecond) // a server that refuses is not flooded
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	all.Wait()
	r.perSecond = float64(len(took)*c.texts) / time.Since(start).Seconds()
	slices.Sort(took)
	r.p50, r.p99, r.failed = percentile(took, 50), percentile(took, 99), int(failed.Load())
	return r
}

// percentile returns the smallest value that at least p percent of the sorted values do not
// exceed, and 0 if there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
