package listening

import "net"

// URL returns an address as a URL that a browser can open: an unspecified address, such as
// 0.0.0.0, becomes localhost.
func URL(addr net.Addr, secure bool) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}
