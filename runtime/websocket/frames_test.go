package websocket_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

// frame is a frame of a client, masked with zeros.
func frame(first byte, length int, payload string) string {
	head := []byte{first, 0x80 | byte(length)}
	switch {
	case length > 0xffff:
		head[1] = 0x80 | 127
		head = binary.BigEndian.AppendUint64(head, uint64(length))
	case length > 125:
		head[1] = 0x80 | 126
		head = binary.BigEndian.AppendUint16(head, uint16(length))
	}
	return string(head) + "\x00\x00\x00\x00" + payload
}

// raw opens a socket without a client.
func (s *server) raw(more string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn := check.Value(net.Dial("tcp", s.addr))(s.t)
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, handshake+more+"\r\n")
	reader := bufio.NewReader(conn)
	check.Equal(s.t, check.Value(http.ReadResponse(reader, nil))(s.t).StatusCode, 101)
	return conn, reader
}

// Each kind of bad frame closes the socket with its code and words, and the function gets
// no part of it.
func TestBadFrames(t *testing.T) {
	bomb := deflated(strings.Repeat("a", 10<<20))
	for name, test := range map[string]struct {
		sent string
		more string
		code int
		want string
	}{
		"too big":              {sent: frame(0x82, 1<<20, strings.Repeat("a", 1<<20)) + frame(0x82, 1<<20+1, strings.Repeat("a", 1<<20+1)), code: 1009, want: "a message must have at most 1048576 bytes"},
		"too big in parts":     {sent: frame(0x02, 1<<20, strings.Repeat("a", 1<<20)) + frame(0x80, 1, "a"), code: 1009, want: "a message must have at most 1048576 bytes"},
		"says that it is huge": {sent: frame(0x82, 1<<62, strings.Repeat("a", 1<<20+1)), code: 1009, want: "a message must have at most 1048576 bytes"},
		"compressed bomb":      {sent: frame(0xc2, len(bomb), bomb), more: "Sec-WebSocket-Extensions: permessage-deflate\r\n", code: 1009, want: "a message must have at most 1048576 bytes"},
		"not compressed":       {sent: frame(0xc2, 4, "\xff\xff\xff\xff"), more: "Sec-WebSocket-Extensions: permessage-deflate\r\n", code: 1007, want: "not compressed as agreed"},
		"not agreed":           {sent: frame(0xc2, 1, "a"), code: 1002, want: "rsv"},
		"no UTF-8":             {sent: frame(0x81, 2, "\xc3\x28"), code: 1007, want: "text must be valid UTF-8"},
		"UTF-8 cut off":        {sent: frame(0x01, 1, "\xc3") + frame(0x80, 0, ""), code: 1007, want: "text must be valid UTF-8"},
		"no mask":              {sent: "\x81\x01a", code: 1002, want: "unmasked"},
		"unknown kind":         {sent: frame(0x83, 1, "a"), code: 1002, want: "opcode"},
		"rest of nothing":      {sent: frame(0x80, 1, "a"), code: 1002, want: "continuation"},
		"two at once":          {sent: frame(0x01, 1, "a") + frame(0x81, 1, "a"), code: 1002, want: "without finishing"},
		"long ping":            {sent: frame(0x89, 126, strings.Repeat("a", 126)), code: 1002, want: "control frame"},
		"bad close":            {sent: frame(0x88, 2, "\x00\x01"), code: 1002, want: "close"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ context.Context, conn *websocket.Conn) error {
				for {
					m, err := conn.Read()
					if err != nil {
						return err
					}
					if len(m.Data) != 1<<20 {
						t.Errorf("the function got %d bytes", len(m.Data))
					}
				}
			}, nil, websocket.Compression())
			conn, reader := s.raw(test.more)
			go func() { _, _ = io.WriteString(conn, test.sent) }()
			head := make([]byte, 4)
			_, err := io.ReadFull(reader, head)
			check.Must(t, err)
			reason := make([]byte, int(head[1])-2)
			_, err = io.ReadFull(reader, reason)
			check.OK(t, err)
			if code := int(binary.BigEndian.Uint16(head[2:])); head[0] != 0x88 || code != test.code || !strings.Contains(string(reason), test.want) {
				t.Errorf("got %x, %d %q", head[0], code, reason)
			}
			_ = conn.Close()
			s.await(fmt.Sprintf("ekiben_websocket_closed_total{code=\"%d\",endpoint=\"/app/ws\"} 1.0\n", test.code), "closed_total")
		})
	}
}

func deflated(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = io.WriteString(w, text)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// A bad handshake is refused with words and counted as a request.
func TestHandshakes(t *testing.T) {
	s := serve(t, echo, nil, websocket.Origins("*.example.org", "https://exact.com"), websocket.Subprotocols("v2", "v1"))
	for name, test := range map[string]struct {
		change [2]string
		status int
		want   string
	}{
		"good":              {[2]string{}, 101, ""},
		"same origin":       {[2]string{"Host: x", "Host: x\r\nOrigin: http://x"}, 101, ""},
		"allowed host":      {[2]string{"Host: x", "Host: x\r\nOrigin: http://a.example.org"}, 101, ""},
		"allowed origin":    {[2]string{"Host: x", "Host: x\r\nOrigin: https://exact.com"}, 101, ""},
		"other scheme":      {[2]string{"Host: x", "Host: x\r\nOrigin: http://exact.com"}, 403, `"exact.com" is not authorized`},
		"other origin":      {[2]string{"Host: x", "Host: x\r\nOrigin: http://evil.com"}, 403, `"evil.com" is not authorized`},
		"no origin":         {[2]string{"Host: x", "Host: x\r\nOrigin: null"}, 403, `"null" is not a valid URL`},
		"subprotocol":       {[2]string{"Host: x", "Host: x\r\nSec-WebSocket-Protocol: v0, v1, v2"}, 101, "v2"},
		"other subprotocol": {[2]string{"Host: x", "Host: x\r\nSec-WebSocket-Protocol: v0"}, 101, ""},
		"wrong version":     {[2]string{"Version: 13", "Version: 12"}, 400, "only 13 is supported"},
		"no key":            {[2]string{"Sec-WebSocket-Key", "X"}, 400, "missing Sec-WebSocket-Key"},
		"short key":         {[2]string{"AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"}, 400, "16 byte"},
		"no upgrade":        {[2]string{"Upgrade: websocket", "X: y"}, 426, "does not contain websocket"},
		"another upgrade":   {[2]string{"Upgrade: websocket", "Upgrade: h2c"}, 426, "does not contain websocket"},
		"HTTP/1.0":          {[2]string{"HTTP/1.1", "HTTP/1.0"}, 426, "at least HTTP/1.1"},
		"method of the mux": {[2]string{"GET", "POST"}, 405, "Method Not Allowed"},
	} {
		conn := check.Value(net.Dial("tcp", s.addr))(t)
		_, _ = io.WriteString(conn, strings.Replace(handshake, test.change[0], test.change[1], 1)+"\r\n")
		res := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
		got := res.Header.Get("Sec-WebSocket-Protocol")
		if res.StatusCode != 101 {
			body, _ := io.ReadAll(res.Body)
			got = string(body)
		}
		if res.StatusCode != test.status || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %d %q", name, res.StatusCode, got)
		}
		_ = conn.Close()
	}
	check.Equal(t, s.samples("request_total", `"/app/ws"`), `request_total{endpoint="/app/ws",http_response_code="400"} 3.0
request_total{endpoint="/app/ws",http_response_code="403"} 3.0
request_total{endpoint="/app/ws",http_response_code="426"} 3.0
`)
}
