package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

// pipeWriter is a ResponseWriter whose connection is one end of a pipe.
type pipeWriter struct {
	header http.Header
	conn   net.Conn
}

func (w *pipeWriter) Header() http.Header         { return w.header }
func (w *pipeWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *pipeWriter) WriteHeader(int)             {}
func (w *pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// Whatever a client sends, the function gets only whole messages within the limit, and
// the socket ends.
func FuzzFrames(f *testing.F) {
	f.Add(frame(0x81, 2, "hi")+frame(0x88, 0, ""), false)
	f.Add(frame(0x01, 1, "\xc3")+frame(0x89, 1, "p")+frame(0x80, 1, "\xb6")+frame(0x88, 2, "\x03\xe8"), false)
	f.Add(frame(0x82, 101, string(make([]byte, 101))), false)
	f.Add(frame(0xc2, 8, deflated("hello")), true)
	f.Add(frame(0xc1, 1, "\x00"), true)
	f.Add("\x81\x01a", false)
	f.Add(frame(0x88, 2, "\x00\x01"), false)
	f.Add(frame(0x82, 1<<62, ""), true)
	f.Fuzz(func(t *testing.T, sent string, compressed bool) {
		const most = 100
		ours, theirs := net.Pipe()
		_ = ours.SetDeadline(time.Now().Add(patience))
		go func() {
			_, _ = io.WriteString(ours, sent)
			_ = ours.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		r := check.Value(http.NewRequest(http.MethodGet, "http://x/", http.NoBody))(t)
		r.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		}
		var opts []websocket.Option
		if compressed {
			r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate")
			opts = append(opts, websocket.Compression())
		}
		ended := false
		websocket.Handler(func(_ context.Context, conn *websocket.Conn) error {
			for {
				m, err := conn.Read()
				if err != nil {
					var closed *websocket.CloseError
					if ended = true; !errors.Is(err, io.EOF) && !errors.As(err, &closed) {
						t.Errorf("the socket ended with %v", err)
					}
					return err
				}
				if len(m.Data) > most || m.Text && !utf8.Valid(m.Data) {
					t.Errorf("the function got %q", m.Data)
				}
				if err := conn.Write(m); err == nil {
					continue
				}
			}
		}, append(opts, websocket.MaxMessage(most))...).ServeHTTP(&pipeWriter{http.Header{}, theirs}, r)
		if !ended {
			t.Error("the function was not called")
		}
	})
}
