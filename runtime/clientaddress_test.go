package runtime_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// peerApp makes an app whose API returns the address of its client.
func peerApp(change func(*config.Config), opts ...runtime.Option) *runtime.App {
	app := newApp("Peer", append([]runtime.Option{settings(change)}, opts...)...)
	runtime.Handle(app, "peer", func(ctx context.Context, _ text) (string, error) { return runtime.RequestFrom(ctx).Peer(), nil })
	return app
}

func trusting(list ...string) func(*config.Config) {
	return func(c *config.Config) { c.HTTP.Proxies.Trusted = list }
}

// The log and the function have the address of the client that a trusted proxy tells. Others are
// not believed.
func TestClient(t *testing.T) {
	log, logger := newAwaited(t)
	for name, test := range map[string]struct {
		list []string
		want string // prefix
	}{
		"trusted": {[]string{"127.0.0.1"}, "1.1.1.1:0"},
		"another": {[]string{"10.0.0.0/8"}, "127.0.0.1:"},
		"nobody":  {nil, "127.0.0.1:"},
	} {
		log.reset()
		s := serve(t, peerApp(trusting(test.list...), logger))
		got := s.do("POST", "/peer", "{}", "X-Forwarded-For", "6.6.6.6, 1.1.1.1", "X-Forwarded-Proto", "https", "Forwarded", "for=7.7.7.7")
		if got.status != 200 || !strings.HasPrefix(got.body, test.want) {
			t.Errorf("%s: got %v", name, got)
		}
		log.await("client=" + test.want)
	}
}

// The client of a proxy that writes to a socket is known if unix is trusted, also on a server
// that the user built.
func TestClientOfSocket(t *testing.T) {
	path := filepath.Join(shortFolder(t), "s")
	log, logger := newAwaited(t)
	s := run(t, peerApp(func(c *config.Config) { c.HTTP.Socket.Path, c.HTTP.Proxies.Trusted = path, []string{"unix"} }, logger), log).onSocket(path)
	s.do("POST", "/peer", "{}", "X-Forwarded-For", "1.1.1.1").want(t, 200, "1.1.1.1:0")
	s.post("/peer", "{}").want(t, 200, "@")
	h := handler(t, peerApp(trusting("192.0.2.1")))
	r := httptest.NewRequest(http.MethodPost, "/peer", strings.NewReader("{}"))
	r.Header.Set("X-Forwarded-For", "[2001:db8::1]:7")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	check.Equal(t, w.Body.String()+" "+r.RemoteAddr, "[2001:db8::1]:7 192.0.2.1:1234")
}

// The span of a request has the client that a trusted proxy tells, and not what anybody claims.
func TestClientOfSpan(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))
	h := handler(t, peerApp(trusting("192.0.2.0/24"), runtime.WithTracerProvider(provider)))
	for _, peer := range []string{"192.0.2.1:1", "203.0.113.9:1"} {
		r := httptest.NewRequest(http.MethodPost, "/peer", strings.NewReader("{}"))
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "6.6.6.6, 1.1.1.1")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for i, want := range []string{"1.1.1.1", "203.0.113.9"} {
		set := attribute.NewSet(recorded.Ended()[i].Attributes()...)
		got, _ := set.Value("client.address")
		check.Equal(t, got.AsString(), want)
	}
}

// version2 is a PROXY header of version 2 for TCP over IPv4.
func version2(command byte, source string) string {
	var b bytes.Buffer
	b.WriteString("\r\n\r\n\x00\r\nQUIT\n")
	b.Write([]byte{0x20 | command, 0x11})
	_ = binary.Write(&b, binary.BigEndian, uint16(12))
	b.Write(net.ParseIP(source).To4())
	b.Write([]byte{127, 0, 0, 1, 0, 9, 0, 80})
	return b.String()
}

const peerRequest = "POST /peer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n"

// A trusted proxy may send a PROXY header. That of anybody else, and a wrong one, ends the
// connection and is counted.
func TestProxyProtocol(t *testing.T) {
	protocol := func(list ...string) *server {
		return serve(t, peerApp(func(c *config.Config) { c.HTTP.Proxies = config.Proxies{Trusted: list, Protocol: true} }))
	}
	known, strangers := protocol("127.0.0.1", "10.0.0.0/8"), protocol("10.0.0.0/8")
	for name, test := range map[string]struct {
		server *server
		sent   string
		want   string // "": the connection ends
	}{
		"version 1":              {known, "PROXY TCP4 1.1.1.1 127.0.0.1 9 80\r\n", "1.1.1.1:9"},
		"IPv6":                   {known, "PROXY TCP6 2001:db8::1 ::1 9 80\r\n", "[2001:db8::1]:9"},
		"version 2":              {known, version2(1, "1.1.1.1"), "1.1.1.1:9"},
		"none":                   {known, "", "127.0.0.1:"},
		"unknown":                {known, "PROXY UNKNOWN\r\n", "127.0.0.1:"},
		"a health check":         {known, version2(0, "1.1.1.1"), "127.0.0.1:"},
		"wrong, version 1":       {known, "PROXY TCP4 x y 9 80\r\n", ""},
		"wrong, version 2":       {known, "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x00", ""},
		"too long":               {known, "PROXY " + strings.Repeat("x", 200), ""},
		"a stranger, version 1":  {strangers, "PROXY TCP4 1.1.1.1 127.0.0.1 9 80\r\n", ""},
		"a stranger, version 2":  {strangers, version2(1, "1.1.1.1"), ""},
		"a stranger without one": {strangers, "", "127.0.0.1:"},
	} {
		conn := test.server.dial()
		_, _ = io.WriteString(conn, test.sent+peerRequest+"\r\n{}")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%s: got a response", name)
		case test.want != "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case err == nil:
			if got := readAll(t, response); !strings.HasPrefix(got, test.want) {
				t.Errorf("%s: got %s, want %s", name, got, test.want)
			}
			_ = response.Body.Close()
		}
		_ = conn.Close()
	}
	check.Contains(t, known.samples("traffic_refused", "proxy"), "} 3.0\n")
	check.Contains(t, strangers.samples("traffic_refused", "proxy"), "} 2.0\n")
}

// X-Forwarded-For is about the proxy that the PROXY header names.
func TestProxyProtocolAndHeader(t *testing.T) {
	s := serve(t, peerApp(func(c *config.Config) {
		c.HTTP.Proxies = config.Proxies{Trusted: []string{"127.0.0.1", "10.0.0.0/8"}, Protocol: true}
	}))
	for source, want := range map[string]string{"10.0.0.1": "1.1.1.1:0", "9.9.9.9": "9.9.9.9:9"} {
		conn := s.dial()
		_, _ = io.WriteString(conn, version2(1, source)+peerRequest+"X-Forwarded-For: 1.1.1.1\r\n\r\n{}")
		response := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
		check.Equal(t, readAll(t, response), want)
		check.OK(t, response.Body.Close(), conn.Close())
	}
}

// local makes connections of a bubble come from an address.
type local struct{ *pipes }

func (l local) Accept() (net.Conn, error) {
	conn, err := l.pipes.Accept()
	return from{conn}, err
}

type from struct{ net.Conn }

func (from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

// A PROXY header that does not arrive is a header that does not arrive.
func TestSlowProxyHeader(t *testing.T) {
	for _, sent := range []string{"", "P", "PROX", "\r\n\r\n\x00\r\nQU", version2(1, "1.1.1.1")[:20]} {
		synctest.Test(t, func(t *testing.T) {
			listener := newPipes()
			app := peerApp(func(c *config.Config) {
				c.HTTP.Proxies = config.Proxies{Trusted: []string{"127.0.0.1"}, Protocol: true}
			})
			ctx, stop := context.WithCancel(t.Context())
			s := start(t, listener, stop, func() error { return app.Serve(ctx, local{listener}) })
			conn := s.dial()
			began := time.Now()
			_, _ = io.WriteString(conn, sent)
			_, _ = io.Copy(io.Discard, conn)
			if took := time.Since(began); took < 5*time.Second || took > 7*time.Second {
				t.Errorf("%q: closed after %s", sent, took)
			}
			check.OK(t, s.end())
		})
	}
}
