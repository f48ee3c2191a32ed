package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// bodyKinds are bodies that are too large, not whole, or not what they say.
func bodyKinds() []kind {
	return []kind{
		{name: "oversized, announced", weight: 10, act: (*actor).announced, seen: tooLarge},
		{name: "oversized, sent", weight: 3, act: (*actor).oversized, seen: tooLarge, lost: tooLarge, mayLose: true},
		{name: "truncated body", weight: 10, act: (*actor).truncated, seen: invalid, lost: left, mayLose: true, halfway: true},
		{name: "truncated JSON", weight: 10, act: (*actor).truncatedJSON, seen: invalid},
		{name: "gzip", weight: 10, act: (*actor).gzip, seen: fine},
		{name: "gzip bomb", weight: 2, act: (*actor).bomb, seen: tooLarge},
		{name: "broken gzip", weight: 5, act: (*actor).brokenGzip, seen: invalid},
		{name: "chunked body", weight: 10, act: (*actor).chunked, seen: fine},
		{name: "100-continue", weight: 5, act: (*actor).expecting, seen: fine},
	}
}

// sendText sends JSON.
func (a *actor) sendText(ctx context.Context, client *http.Client, path, body string) outcome {
	return a.send(ctx, client, http.MethodPost, path, "application/json", strings.NewReader(body))
}

func (a *actor) announced() outcome { return a.raw(a.head(a.path("/plain"), 10_000_000, "")) }

func (a *actor) oversized() outcome {
	return a.post(a.either(), a.path("/plain"), a.order(strings.Repeat("x", 300_000), 0, 0))
}

// truncated ends its connection within the body, and can still read.
func (a *actor) truncated() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		if _, err := io.WriteString(conn, a.head(a.path("/plain"), 1000, "")+`{"nonce":`); err != nil {
			return outcome{err: err}
		}
		_ = conn.CloseWrite()
		return a.last(conn)
	})
}

func (a *actor) truncatedJSON() outcome {
	return a.post(a.either(), a.path("/plain"), a.order("", 0, 0)[:a.rand.IntN(20)])
}

func compressed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

// bomb is 10 MB of zeros.
var bomb = compressed(strings.Repeat("\x00", 10_000_000))

func (a *actor) coded(body []byte) outcome {
	r, err := http.NewRequest(http.MethodPost, "http://"+a.address+a.path("/plain"), bytes.NewReader(body))
	if err != nil {
		return outcome{err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	return a.do(a.either(), r)
}

func (a *actor) gzip() outcome { return a.coded(compressed(a.order("", 0, 0))) }
func (a *actor) bomb() outcome { return a.coded(bomb) }

func (a *actor) brokenGzip() outcome {
	whole := compressed(a.order("", 0, 0))
	return a.coded(whole[:a.rand.IntN(len(whole)-1)+1])
}

// chunked sends a body without its length. HTTP/2 is left out: its client cannot send such a body
// again after a GOAWAY.
func (a *actor) chunked() outcome {
	return a.send(context.Background(), a.h1, http.MethodPost, a.path("/plain"), "application/json", io.MultiReader(strings.NewReader(a.order("", 0, 0))))
}

func (a *actor) expecting() outcome {
	r, err := http.NewRequest(http.MethodPost, "http://"+a.address+a.path("/plain"), strings.NewReader(a.order("", 0, 0)))
	if err != nil {
		return outcome{err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	return a.do(a.h1, r)
}

// file asks for a file or a range of it.
func (a *actor) file() outcome {
	r, err := http.NewRequest(http.MethodPost, "http://"+a.address+a.path("/file"), strings.NewReader(a.order("", 0, 100)))
	if err != nil {
		return outcome{err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	if ranges := []string{"", "bytes=0-50", "bytes=5000-"}[a.rand.IntN(3)]; ranges != "" {
		r.Header.Set("Range", ranges)
	}
	return a.do(a.either(), r)
}

// form returns a form with a file, and its content type.
func (a *actor) form(size int) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("nonce", a.nonce) // a buffer takes all
	part, _ := w.CreateFormFile("file", a.nonce)
	_, _ = part.Write(bytes.Repeat([]byte("x"), size))
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

func (a *actor) upload() outcome {
	body, contentType := a.form(a.rand.IntN(5000))
	return a.send(context.Background(), a.either(), http.MethodPost, a.path("/upload"), contentType, bytes.NewReader(body))
}

func (a *actor) cutUpload() outcome {
	body, contentType := a.form(5000)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: chaos\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", a.path("/upload"), contentType, len(body))
	return a.leave(head + string(body[:a.rand.IntN(len(body))]))
}

// items sends a list of items, of which the last one has the fault.
func (a *actor) items(endpoint, fault string, n int) outcome {
	list := strings.Repeat(a.order("", 0, 0)+",", n-1) + a.order(fault, 0, 0)
	got := a.post(a.either(), a.path(endpoint), `{"items":[`+list+`]}`)
	return got.expect(a.nonce, n)
}

// chunks reads a stream of size chunks.
func (a *actor) chunks(endpoint, fault string, ms, size int) outcome {
	return a.post(a.either(), a.path(endpoint), a.order(fault, ms, size)).expect(a.nonce, size)
}

// leaveStream reads a part of a stream.
func (a *actor) leaveStream() outcome {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.address+a.path("/stream"), strings.NewReader(a.order("", 2, 200)))
	if err != nil {
		return outcome{err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := a.either().Do(r)
	if err != nil {
		return outcome{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // it is cut
	some := make([]byte, 20)
	n, _ := io.ReadFull(response.Body, some)
	return outcome{part: true, err: errLeft, crossed: a.foreign(some[:n], false), id: response.Header.Get("X-Bentoml-Request-Id")}
}

// connect opens a socket and has its nonce returned.
func (a *actor) connect(ctx context.Context) (*websocket.Conn, outcome) {
	conn, response, err := websocket.Dial(ctx, "ws://"+a.address+a.path("/app/ws"), &websocket.DialOptions{HTTPClient: a.h1}) //nolint:bodyclose // the socket has it
	if err != nil {
		got := outcome{err: err}
		if response != nil {
			got.status = response.StatusCode
		}
		return nil, got
	}
	got := outcome{status: response.StatusCode, id: response.Header.Get("X-Bentoml-Request-Id")}
	if err = conn.Write(ctx, websocket.MessageText, []byte(a.nonce)); err == nil {
		var message []byte
		_, message, err = conn.Read(ctx)
		got.crossed = a.foreign(message, err == nil)
	}
	if err != nil && websocket.CloseStatus(err) != websocket.StatusGoingAway { // which is how a server drains
		got.status, got.part, got.err = 0, true, err
	}
	return conn, got
}

func (a *actor) socketEnd(end func(context.Context, *websocket.Conn)) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, got := a.connect(ctx)
	if conn == nil {
		return got
	}
	defer conn.CloseNow() //nolint:errcheck // it may be closed already
	end(ctx, conn)
	return got
}

func (a *actor) socket() outcome {
	return a.socketEnd(func(_ context.Context, conn *websocket.Conn) { _ = conn.Close(websocket.StatusNormalClosure, "") })
}

func (a *actor) socketPanic() outcome {
	return a.socketEnd(func(ctx context.Context, conn *websocket.Conn) {
		_ = conn.Write(ctx, websocket.MessageText, []byte("panic"))
		_, _, _ = conn.Read(ctx) // the close frame
	})
}

func (a *actor) socketDropped() outcome {
	return a.socketEnd(func(_ context.Context, conn *websocket.Conn) { _ = conn.CloseNow() })
}
