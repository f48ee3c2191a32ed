package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Validate reports everything that is wrong with c, one error each, starting
// with the key path.
func (c Config) Validate() error {
	var found problems
	found.check(utf8.ValidString(c.App.Name), "app.name", "must be valid UTF-8, found %q", c.App.Name)
	found.check(utf8.ValidString(c.App.Version), "app.version", "must be valid UTF-8, found %q", c.App.Version)
	found.check(c.HTTP.Port >= 0 && c.HTTP.Port <= 65535, "http.port", "must be between 0 and 65535, found %d", c.HTTP.Port)
	found.check(validPrefix(c.HTTP.PathPrefix), "http.path_prefix", "must be empty, or begin with a slash and not end with one, such as /ml, found %q", c.HTTP.PathPrefix)
	found.check(c.HTTP.MaxBodySize >= 0, "http.max_body_size", "must be 0 (no limit) or more, found %d", c.HTTP.MaxBodySize)
	found.notNegative("traffic.timeout", c.Traffic.Timeout)
	found.check(c.Traffic.MaxConcurrency >= 0, "traffic.max_concurrency", "must be 0 (no limit) or more, found %d", c.Traffic.MaxConcurrency)
	found.check(c.Workers >= 1, "workers", "must be at least 1, found %d", c.Workers)
	found.check(c.Metrics.ClientClosed == 200 || c.Metrics.ClientClosed == 499, "metrics.client_closed", "must be 200 or 499, found %d", c.Metrics.ClientClosed)
	found.check(c.Metrics.MaxSeries >= 0, "metrics.max_series", "must be 0 (no limit) or more, found %d", c.Metrics.MaxSeries)
	found.prefix("metrics.", c.Metrics.Views.Validate())
	found.oneOf("logging.level", c.Logging.Level, "debug", "info", "warn", "error")
	found.oneOf("logging.format", c.Logging.Format, "text", "json", "bentoml")
	found.notNegative("shutdown.delay", c.Shutdown.Delay)
	found.notNegative("shutdown.idle", c.Shutdown.Idle)
	found.notNegative("shutdown.grace", c.Shutdown.Grace)
	for name, service := range c.Services {
		found.service("services."+name+".traffic.", service.Traffic)
	}
	return errors.Join(found...)
}

func validPrefix(prefix string) bool {
	return prefix == "" || strings.HasPrefix(prefix, "/") && !strings.HasSuffix(prefix, "/") && !strings.ContainsAny(prefix, "?#% \t\n") && !strings.Contains(prefix, "//")
}

type problems []error

func (p *problems) check(ok bool, key, format string, found any) {
	if !ok {
		*p = append(*p, fmt.Errorf("%s: "+format, key, found))
	}
}

func (p *problems) notNegative(key string, d time.Duration) {
	p.check(d >= 0, key, "must not be negative, found %s", d)
}

func (p *problems) oneOf(key, found string, allowed ...string) {
	for _, value := range allowed {
		if found == value {
			return
		}
	}
	p.check(false, key, "must be one of "+strings.Join(allowed, ", ")+", found %q", found)
}

func (p *problems) service(path string, t ServiceTraffic) {
	if t.Timeout != nil {
		p.notNegative(path+"timeout", *t.Timeout)
	}
	if t.MaxConcurrency != nil {
		p.check(*t.MaxConcurrency >= 0, path+"max_concurrency", "must be 0 (no limit) or more, found %d", *t.MaxConcurrency)
	}
}

// prefix adds err's errors, each with path in front.
func (p *problems) prefix(path string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			p.prefix(path, e)
		}
		return
	}
	if err != nil {
		*p = append(*p, fmt.Errorf("%s%w", path, err))
	}
}
