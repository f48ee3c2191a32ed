package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// clients are the ways to the server. They are safe for concurrent use.
type clients struct {
	address string
	h1, h2  *http.Client
	bare    *http.Client // of HTTP/1.1 too, for responses without a body; cancelled requests never use it
	before  *sync.Map    // the last kind of each connection, by the client's address
}

func newClients(address string) *clients {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	limit := 30 * time.Second
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	newH1 := func() *http.Client {
		return &http.Client{Timeout: limit, CheckRedirect: refuse, Transport: &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}}
	}
	return &clients{
		address: address,
		before:  &sync.Map{},
		h1:      newH1(),
		bare:    newH1(),
		h2:      &http.Client{Timeout: limit, CheckRedirect: refuse, Transport: &http.Transport{Protocols: &protocols, DisableCompression: true}},
	}
}

func (c *clients) closeIdle() {
	c.h1.CloseIdleConnections()
	c.bare.CloseIdleConnections()
	c.h2.CloseIdleConnections()
}

// actor sends one request.
type actor struct {
	*clients

	kind  *kind
	rand  *rand.Rand
	nonce string
	more  func() *actor // opens another request of the same kind
	end   func(outcome) // ends the request
}

// another opens another request, which must be ended with end.
func (a *actor) another() *actor { return a.more() }

// either returns the client of HTTP/1.1 or, for one request of four, of HTTP/2.
func (a *actor) either() *http.Client {
	if a.rand.IntN(4) == 0 {
		return a.h2
	}
	return a.h1
}

// path returns the path of an endpoint with the nonce.
func (a *actor) path(endpoint string) string { return endpoint + "/" + a.nonce }

// order returns the body for a fault.
func (a *actor) order(fault string, ms, size int) string {
	return fmt.Sprintf(`{"nonce":%q,"fault":%q,"ms":%d,"size":%d}`, a.nonce, fault, ms, size)
}

// post sends JSON and reads the whole response.
func (a *actor) post(client *http.Client, path, body string) outcome {
	return a.send(context.Background(), client, http.MethodPost, path, "application/json", strings.NewReader(body))
}

func (a *actor) send(ctx context.Context, client *http.Client, method, path, contentType string, body io.Reader) outcome {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.address+path, body)
	if err != nil {
		return outcome{err: err}
	}
	r.Header.Set("Content-Type", contentType)
	return a.do(client, r)
}

// do sends a request. An error says what came before it on its connection.
func (a *actor) do(client *http.Client, r *http.Request) outcome {
	before := "nothing"
	var responded atomic.Bool
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			if last, used := a.before.Swap(got.Conn.LocalAddr().String(), a.kind.name); used && got.Reused {
				before = fmt.Sprintf("%v, idle for %s", last, got.IdleTime)
			}
		},
		GotFirstResponseByte: func() { responded.Store(true) },
	}))
	if client != a.h2 && (r.Body == nil || r.Body == http.NoBody) {
		// The transport repeats a GET whose connection fails before the response, such as one of
		// a process that was killed, unless its body cannot be had again. That would be two
		// requests. A client asks for the body again for a redirect, too. HTTP/2 repeats only
		// what the server says that it has not begun.
		r.Body, r.GetBody = io.NopCloser(strings.NewReader("")), func() (io.ReadCloser, error) {
			if responded.Load() {
				return http.NoBody, nil
			}
			return nil, errSent
		}
	}
	response, err := client.Do(r)
	if err != nil {
		return outcome{err: fmt.Errorf("%w (before it on its connection: %s)", err, before)}
	}
	return a.read(response)
}

var errSent = errors.New("the request was sent already")

// read reads a response to its end.
func (a *actor) read(response *http.Response) outcome {
	got := outcome{status: response.StatusCode, id: response.Header.Get("X-Bentoml-Request-Id")}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		got.status, got.part, got.err = 0, true, err
	}
	got.nonces = bytes.Count(body, []byte(a.nonce))
	got.crossed = a.foreign(body, got.status == http.StatusOK || got.status == http.StatusPartialContent)
	return got
}

// foreign returns what shows that a body is of another request, or "". The body of a success
// must have the nonce.
func (a *actor) foreign(body []byte, success bool) string {
	for _, found := range noncePattern.FindAll(body, -1) {
		if string(found) != a.nonce {
			return string(found)
		}
	}
	if success && !bytes.Contains(body, []byte(a.nonce)) {
		return fmt.Sprintf("no nonce in %.200q", body)
	}
	return ""
}

// dial connects without HTTP.
func (a *actor) dial() (*net.TCPConn, error) {
	conn, err := net.DialTimeout("tcp", a.address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn.(*net.TCPConn), nil
}

// head returns the head of a POST of JSON.
func (a *actor) head(path string, length int, more string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(length) + "\r\n" + more + "\r\n"
}

// raw sends bytes and reads one response, and then until the server closes.
func (a *actor) raw(text string) outcome {
	conn, err := a.dial()
	if err != nil {
		return outcome{err: err}
	}
	defer conn.Close() //nolint:errcheck // nothing more is expected
	if _, err := io.WriteString(conn, text); err != nil {
		return outcome{err: err}
	}
	return a.last(conn)
}

// last reads the only response that is left on a connection, which the client then closes for
// writing.
func (a *actor) last(conn *net.TCPConn) outcome { return a.lastFrom(conn, bufio.NewReader(conn)) }

func (a *actor) lastFrom(conn *net.TCPConn, from *bufio.Reader) outcome {
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		return outcome{err: err}
	}
	got := a.read(response)
	if got.part {
		return got
	}
	_ = conn.CloseWrite()
	rest, _ := io.ReadAll(from) // a reset is an end too
	got.twice = len(rest) > 0
	if got.twice {
		got.err = fmt.Errorf("surplus: %.300q", rest)
	}
	return got
}

// reset closes a connection so that the server gets a reset.
func reset(conn *net.TCPConn) outcome {
	_ = conn.SetLinger(0)
	_ = conn.Close()
	return outcome{err: errLeft}
}

var errLeft = errors.New("the client left")

// pause waits for a random time up to some milliseconds.
func (a *actor) pause(most int) {
	time.Sleep(time.Duration(a.rand.IntN(most*1000)) * time.Microsecond)
}

// expect counts the nonces of a success.
func (o outcome) expect(nonce string, n int) outcome {
	if o.status == http.StatusOK && o.nonces != n {
		o.crossed = fmt.Sprintf("%d times %s, want %d", o.nonces, nonce, n)
	}
	return o
}
