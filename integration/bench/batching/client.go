package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	body    = `{"xs": [3]}`
	request = "POST /encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + body
)

// client has one connection, which the calling goroutine writes and reads. net/http's
// client uses two more goroutines for each call; on a shared processor their time would
// count as time of the server.
type client struct {
	address string
	conn    net.Conn
	read    *bufio.Reader
}

// post sends one request and returns its duration.
func (c *client) post() (time.Duration, error) {
	start := time.Now()
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return 0, err
		}
		c.conn, c.read = conn, bufio.NewReader(conn)
	}
	response, err := c.call()
	if err != nil {
		c.close()
		return 0, err
	}
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.Close {
		c.close()
	}
	if err != nil || response.StatusCode != http.StatusOK || strings.TrimSpace(string(content)) != "[6]" {
		return 0, fmt.Errorf("responded %s %s", response.Status, content)
	}
	return time.Since(start), nil
}

func (c *client) call() (*http.Response, error) {
	if _, err := io.WriteString(c.conn, request); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.read, nil)
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// load runs clients for a time. Each sends its next request when it has a response.
func load(address string, clients int, for_ time.Duration) (took []time.Duration, failed int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	end := time.Now().Add(for_)
	for range clients {
		all.Go(func() {
			c := client{address: address}
			defer c.close()
			var mine []time.Duration
			bad := 0
			for time.Now().Before(end) {
				if d, err := c.post(); err == nil {
					mine = append(mine, d)
				} else {
					bad++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, mine...), failed+bad
		})
	}
	all.Wait()
	return took, failed
}

// burst sends requests at once, each on a connection of its own, and returns how many
// succeed.
func burst(address string, calls int) (served int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			c := client{address: address}
			defer c.close()
			if _, err := c.post(); err == nil {
				mu.Lock()
				defer mu.Unlock()
				served++
			}
		})
	}
	all.Wait()
	return served
}
