package config

import (
	"fmt"
	"net/netip"
)

// Proxies says whom the server believes who its client is:
//
//	http:
//	  trusted_proxies: [10.0.0.0/8, "fd00::/8", unix]
//	  proxy_protocol: true
//
// The zero value believes nobody: a client is whoever opened the connection.
type Proxies struct {
	Trusted  []string `koanf:"trusted_proxies" doc:"Addresses of proxies, as CIDRs or single addresses; unix: whoever writes to http.socket. The client of a request from one of them is the last address of X-Forwarded-For that is not in the list. Empty: nobody is believed."`
	Protocol bool     `koanf:"proxy_protocol" doc:"Trusted proxies may begin a connection with a PROXY header, version 1 or 2, that has the address of the client. It must arrive within http.limits.header_timeout. The connection of anybody else who sends one is closed."`
}

// Ranges returns the addresses that Trusted names, and whether it names unix. The error names
// the first item that is wrong.
func (p Proxies) Ranges() (ranges []netip.Prefix, unix bool, err error) {
	for _, item := range p.Trusted {
		if item == "unix" {
			unix = true
			continue
		}
		one, err := netip.ParsePrefix(item)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(item); err == nil && addr.Zone() == "" {
				one = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		if !one.IsValid() || one.Addr().Is4In6() {
			return nil, false, fmt.Errorf("must list addresses such as 192.0.2.1, ranges such as 10.0.0.0/8, or unix, found %s", quote(item))
		}
		ranges = append(ranges, one)
	}
	return ranges, unix, nil
}

// proxies reports what is no address, and a header that nobody may send.
func (p *problems) proxies(c Proxies) {
	if _, _, err := c.Ranges(); err != nil {
		p.add("http.trusted_proxies", err.Error())
	}
	if c.Protocol && len(c.Trusted) == 0 {
		p.add("http.trusted_proxies", "must be given when http.proxy_protocol is true: only trusted proxies may send its header")
	}
}
