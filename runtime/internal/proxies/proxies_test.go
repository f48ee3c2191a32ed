package proxies

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

var trusted = New(config.Proxies{Trusted: []string{"10.0.0.0/8", "192.0.2.7", "fd00::/8", "unix"}})

// The client is the last address that is not trusted. Bad values end the search, and never the
// request.
func TestBehind(t *testing.T) {
	for name, test := range map[string]struct {
		peer string
		sent []string
		want string
	}{
		"a stranger":                {"203.0.113.9:1", []string{"1.1.1.1"}, "203.0.113.9:1"},
		"no header":                 {"10.0.0.1:1", nil, "10.0.0.1:1"},
		"one hop":                   {"10.0.0.1:1", []string{"1.1.1.1"}, "1.1.1.1:0"},
		"what a client claims":      {"10.0.0.1:1", []string{"6.6.6.6, 1.1.1.1, 10.9.9.9"}, "1.1.1.1:0"},
		"several lines":             {"10.0.0.1:1", []string{"6.6.6.6", "1.1.1.1", "192.0.2.7,10.1.1.1"}, "1.1.1.1:0"},
		"only proxies":              {"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3:0"},
		"a port":                    {"10.0.0.1:1", []string{"1.1.1.1:99"}, "1.1.1.1:99"},
		"IPv6":                      {"[fd00::1]:1", []string{"2001:db8::1"}, "[2001:db8::1]:0"},
		"IPv6 in brackets":          {"[fd00::1]:1", []string{"[2001:db8::1]"}, "[2001:db8::1]:0"},
		"IPv6 with a port":          {"[fd00::1]:1", []string{"[2001:db8::1]:99"}, "[2001:db8::1]:99"},
		"a zone":                    {"10.0.0.1:1", []string{"fe80::1%\x1b[31mred"}, "[fe80::1]:0"},
		"a zone in brackets":        {"10.0.0.1:1", []string{"[fe80::1%eth0]:9"}, "[fe80::1]:9"},
		"a peer with a zone":        {"[fd00::1%eth0]:1", []string{"1.1.1.1"}, "1.1.1.1:0"},
		"IPv4 in IPv6":              {"[::ffff:10.0.0.1]:1", []string{"::ffff:1.1.1.1"}, "1.1.1.1:0"},
		"garbage last":              {"10.0.0.1:1", []string{"1.1.1.1, garbage"}, "10.0.0.1:1"},
		"garbage behind a proxy":    {"10.0.0.1:1", []string{"1.1.1.1, unknown, 10.0.0.2"}, "10.0.0.2:0"},
		"a name that is hidden":     {"10.0.0.1:1", []string{"_hidden"}, "10.0.0.1:1"},
		"empty":                     {"10.0.0.1:1", []string{""}, "10.0.0.1:1"},
		"empty items":               {"10.0.0.1:1", []string{" , 1.1.1.1,\t,"}, "1.1.1.1:0"},
		"a wrong port":              {"10.0.0.1:1", []string{"1.1.1.1:99999"}, "10.0.0.1:1"},
		"64 KiB of one item":        {"10.0.0.1:1", []string{strings.Repeat("1", 64<<10)}, "10.0.0.1:1"},
		"64 KiB of commas":          {"10.0.0.1:1", []string{"1.1.1.1" + strings.Repeat(",", 64<<10)}, "10.0.0.1:1"},
		"64 KiB of proxies":         {"10.0.0.1:1", []string{strings.Repeat("10.0.0.2,", 7<<10) + "10.0.0.3"}, "10.0.0.2:0"},
		"a peer without an address": {"pipe", []string{"1.1.1.1"}, "pipe"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = test.peer
		r.Header["X-Forwarded-For"] = test.sent
		if got := trusted.Behind(r).RemoteAddr; got != test.want || r.RemoteAddr != test.peer {
			t.Errorf("%s: got %s, want %s; of the request: %s", name, got, test.want, r.RemoteAddr)
		}
	}
}

// A Unix socket is trusted if the list says so.
func TestBehindSocket(t *testing.T) {
	onSocket := context.WithValue(t.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "s", Net: "unix"})
	for list, want := range map[string]string{"unix": "1.1.1.1:0", "10.0.0.0/8": "@"} {
		r := httptest.NewRequestWithContext(onSocket, http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = "@"
		r.Header.Set("X-Forwarded-For", "1.1.1.1")
		check.Equal(t, New(config.Proxies{Trusted: []string{list}}).Behind(r).RemoteAddr, want)
	}
	if New(config.Proxies{}) != nil {
		t.Error("an empty list trusts somebody")
	}
}

// Whatever a proxy sends, the result is an address that a log can hold.
func FuzzBehind(f *testing.F) {
	for _, one := range []string{"1.1.1.1, 10.0.0.1", "[fe80::1%a]:1", ",,", "\x00", "::ffff:1.1.1.1%x"} {
		f.Add(one)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{sent}
		got, err := netip.ParseAddrPort(trusted.Behind(r).RemoteAddr)
		if err != nil || got.Addr().Zone() != "" || got.Addr().Is4In6() {
			t.Errorf("%q: got %s, %v", sent, got, err)
		}
	})
}
