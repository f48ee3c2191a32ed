package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Admin is a second address of the server, the admin door: for operators and for what
// measures the service, and never for its clients:
//
//	admin: {enabled: true, host: 0.0.0.0, profiles: true}
//	metrics: {public: false}
//
// It serves /metrics, the probes, the home page if http.page is true, records of slow requests at
// /debug/slow, and profiles. Its
// paths have no http.path_prefix. Requests at it are neither counted nor logged, and bypass
// middleware. Limits of http.limits hold. The zero Admin opens nothing. App.Handler of
// package runtime never opens it.
type Admin struct {
	Enabled       bool   `koanf:"enabled" doc:"Open the admin door: a second address with /metrics, probes, the home page, /debug/slow and profiles."`
	Host          string `koanf:"host" doc:"Address to listen on. Empty: every address. Whoever reaches it can read everything there, unless web_config_file asks for a password or a certificate."`
	Port          int    `koanf:"port" min:"0" max:"65535" doc:"TCP port to listen on. 0: a free port."`
	WebConfigFile string `koanf:"web_config_file" doc:"Web configuration file of Prometheus's exporters, with TLS, users and headers. A relative path begins at the working directory; paths in the file begin at its folder. It is read again for each request. Empty: HTTP for everyone; the keys of ssl do not apply."`
	Profiles      bool   `koanf:"profiles" doc:"Serve profiles of the process below /debug/pprof/, for go tool pprof. It needs an import of package runtime/profiles, which package ekiben has. A CPU profile slows the process while it runs."`
}

// admin reports an address that the admin door cannot have.
func (p *problems) admin(c Config) {
	if text := hostProblem(c.Admin.Host, "admin.port"); text != "" {
		p.add("admin.host", text)
	}
	if c.Admin.Enabled && c.HTTP.Socket.Path == "" && c.Admin.Port == c.HTTP.Port && c.Admin.Port != 0 && meet(c.Admin.Host, c.HTTP.Host) {
		p.add("admin.port", fmt.Sprintf("must be another port than http.port, found %d for both", c.Admin.Port))
	}
}

// meet reports whether two hosts to listen on have an address in common. One for every address
// meets each. Names are not looked up: a name of the other address is an error when the app
// listens.
func meet(a, b string) bool {
	one, other := hostAddress(a), hostAddress(b)
	return one.IsUnspecified() || other.IsUnspecified() || one.IsValid() && one == other || strings.EqualFold(a, b)
}

// hostAddress returns the address of a host to listen on, or none for a name.
func hostAddress(host string) netip.Addr {
	switch {
	case host == "":
		return netip.IPv6Unspecified()
	case strings.EqualFold(host, "localhost"):
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	addr, _ := netip.ParseAddr(host) // the zero Addr beside an error
	return addr.Unmap()
}

// nowhere reports whether metrics are measured and this configuration shows them nowhere.
func (c Config) nowhere() bool {
	return c.Metrics.Enabled && !c.Metrics.Public && !c.Admin.Enabled && !c.PushMetrics().Enabled
}
