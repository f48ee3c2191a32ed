package proxies

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"
)

// Listen returns a listener whose connections have the address that a trusted proxy gives in a
// PROXY header. A trusted proxy may also send none, as for its health checks. It has no time
// limit of its own: whoever limits the time to the first request closes the connection. A header
// of anybody else, or a wrong one, ends the connection, and calls refused. One of version 1 must
// arrive in one piece, as its specification allows.
func (t *Trusted) Listen(listener net.Listener, refused func()) net.Listener {
	return &protocol{listener, t, refused}
}

type protocol struct {
	net.Listener

	trusted *Trusted
	refused func()
}

// Accept returns the next connection. It reads nothing.
func (p *protocol) Accept() (net.Conn, error) {
	accepted, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !p.trusted.trustsConn(accepted) {
		return &stranger{Conn: accepted, refused: p.refused}, nil
	}
	// The library's own policies look at ranges of TCP addresses only.
	conn := proxyproto.NewConn(accepted, proxyproto.WithPolicy(proxyproto.USE), proxyproto.SetReadHeaderTimeout(0))
	return &known{Conn: conn, refused: p.refused}, nil
}

// trustsConn reports whether the other end of a connection is a trusted proxy.
func (t *Trusted) trustsConn(conn net.Conn) bool {
	if conn.LocalAddr().Network() == "unix" {
		return t.unix
	}
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return err == nil && t.trusts(peer.Addr())
}

// known is the connection of a trusted proxy.
type known struct {
	*proxyproto.Conn

	refused func()
	counted bool
}

// Read reads what follows the header.
func (k *known) Read(p []byte) (int, error) {
	n, err := k.Conn.Read(p)
	if err != nil && !k.counted && strings.HasPrefix(err.Error(), "proxyproto: ") { // all errors about the header begin so
		k.counted = true
		k.refused()
	}
	return n, err
}

// stranger is the connection of somebody who must not send a header.
type stranger struct {
	net.Conn

	refused func()
	read    bool
}

// Read ends the connection at a header. One in pieces passes, and is no request.
func (s *stranger) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if !s.read && n > 0 {
		s.read = true
		if bytes.HasPrefix(p[:n], proxyproto.SIGV1) || bytes.HasPrefix(p[:n], proxyproto.SIGV2) {
			s.refused()
			return 0, io.EOF // to any other error net/http responds
		}
	}
	return n, err
}
