package runtime

import (
	"net"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestURLOf(t *testing.T) {
	for _, test := range []struct {
		addr   net.Addr
		secure bool
		want   string
	}{
		{&net.TCPAddr{IP: net.IPv4zero, Port: 80}, false, "http://localhost:80"},
		{&net.TCPAddr{IP: net.IPv6unspecified, Port: 443}, true, "https://localhost:443"},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 1}, false, "http://[::1]:1"},
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, false, "http://10.0.0.1:1"},
		{&net.UnixAddr{Name: "/run/a", Net: "unix"}, false, "unix:/run/a"},
	} {
		check.Equal(t, urlOf(test.addr, test.secure), test.want)
	}
}
