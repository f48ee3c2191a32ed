package otlpgrpc

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/credentials"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// failure is an error at the beginning of a connection. gRPC reports it in the
// message of a status, which contains quoted.
type failure struct {
	err    error
	quoted string
}

// secured keeps the typed error of the last connection that failed in its
// handshake, or at the server's first bytes.
type secured struct {
	credentials.TransportCredentials

	last *atomic.Pointer[failure]
}

// Clone returns a copy that stores its failures in the same place, where Send looks.
func (s *secured) Clone() credentials.TransportCredentials {
	return &secured{s.TransportCredentials.Clone(), s.last}
}

// ClientHandshake returns a connection that also watches the first bytes, because a
// server without HTTP/2 fails only there.
func (s *secured) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := s.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, s.failed(err)
	}
	return &first{Conn: conn, failed: s.failed}, info, nil
}

// failed stores err, with its text as gRPC quotes it in the message of a status.
func (s *secured) failed(err error) error {
	s.last.Store(&failure{err, strings.Trim(strconv.Quote(err.Error()), `"`)})
	return err
}

var errNotHTTP2 = &otlp.Error{Reason: otlp.ReasonInvalidResponse, Err: errors.New("the server does not speak HTTP/2, as gRPC does")}

// first is a connection that checks the first bytes it reads: an HTTP/2 server begins
// with a SETTINGS frame.
type first struct {
	net.Conn

	failed func(error) error
	read   bool
}

func (c *first) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.read {
		return n, err
	}
	c.read = true
	const kind, settings = 3, 4 // the index of a frame's type; the type of SETTINGS
	switch {
	case err != nil:
		return n, c.failed(err)
	case n > kind && b[kind] != settings:
		return 0, c.failed(errNotHTTP2)
	}
	return n, nil
}
