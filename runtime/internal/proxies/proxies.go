// Package proxies finds the address of a client behind proxies that are trusted: from the
// header X-Forwarded-For, and from the PROXY header of a connection.
package proxies

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Trusted is a set of proxies.
type Trusted struct {
	ranges []netip.Prefix
	unix   bool // whoever connects to a Unix socket
}

// New returns the proxies that a valid configuration trusts, or nil if it trusts nobody.
func New(cfg config.Proxies) *Trusted {
	ranges, unix, err := cfg.Ranges()
	if err != nil || len(cfg.Trusted) == 0 {
		return nil
	}
	return &Trusted{ranges, unix}
}

// Behind returns r with the address of its client as RemoteAddr: that of the connection, or if
// that is trusted, the last address in X-Forwarded-For that is not. A proxy appends the address
// that it sees, so what is before that address is only what a stranger claims. An address
// without a port has the port 0. r is not changed.
func (t *Trusted) Behind(r *http.Request) *http.Request {
	sent := r.Header["X-Forwarded-For"]
	if len(sent) == 0 || !t.trustsPeer(r) {
		return r
	}
	client := t.last(sent)
	if !client.IsValid() {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	r.RemoteAddr = client.String()
	return r
}

// trustsPeer reports whether a request came from a trusted proxy.
func (t *Trusted) trustsPeer(r *http.Request) bool {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return t.trusts(peer.Addr())
	}
	own, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return t.unix && own != nil && own.Network() == "unix"
}

// trusts reports whether an address is one of a trusted proxy.
func (t *Trusted) trusts(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(t.ranges, func(one netip.Prefix) bool { return one.Contains(addr) })
}

// mostHops bounds how many addresses of a header are looked at: a request has fewer proxies.
const mostHops = 100

// last returns the last address that is not trusted. If something that is no address comes
// first, or too many that are trusted, it returns the trusted one behind that, which is as far
// as the client is known. Without any it returns the zero AddrPort.
func (t *Trusted) last(lines []string) (client netip.AddrPort) {
	hops := 0
	for _, rest := range slices.Backward(lines) {
		for more := true; more; hops++ {
			at := strings.LastIndexByte(rest, ',')
			item := strings.Trim(rest[at+1:], " \t")
			rest, more = rest[:max(at, 0)], at >= 0
			if item == "" { // an empty item of a list means nothing
				continue
			}
			one := parse(item)
			if !one.IsValid() || hops >= mostHops {
				return client
			}
			if client = one; !t.trusts(one.Addr()) {
				return client
			}
		}
	}
	return client
}

// parse reads an address with or without a port. It drops the zone of an address, which means
// nothing on another machine and may have any characters.
func parse(item string) netip.AddrPort {
	if inner, ok := strings.CutPrefix(item, "["); ok && strings.HasSuffix(inner, "]") {
		item = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(item)
	port := uint16(0)
	if err != nil {
		both, err := netip.ParseAddrPort(item)
		if err != nil {
			return netip.AddrPort{}
		}
		addr, port = both.Addr(), both.Port()
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), port)
}
