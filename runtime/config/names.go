package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Names are what a configuration is for. It may speak of no others.
type Names struct {
	// Services that are served, the entry service first.
	Services []string
	// Routes that are answered. Nil: they are not known, and any is right.
	Routes []string
}

// ErrNoSuchName is the cause of each [Problem] with a name of services or
// metrics.endpoints that nothing has.
var ErrNoSuchName = errors.New("no such name")

// Check reports the services and routes of c that are not among n, one
// [Problem] each.
func (n Names) Check(c Config) error {
	var found problems
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if !slices.Contains(n.Services, name) {
			found = append(found, &Problem{Key: "services." + name, Cause: ErrNoSuchName,
				Text: "no service has this name; served: " + strings.Join(n.Services, ", ")})
		}
	}
	for _, route := range slices.Sorted(maps.Keys(c.Metrics.Views.Endpoints)) {
		if n.Routes != nil && !slices.Contains(n.Routes, route) {
			found = append(found, &Problem{Key: "metrics.endpoints." + route, Cause: ErrNoSuchName,
				Text: "no API has this route; answered: " + strings.Join(n.Routes, ", ")})
		}
	}
	return errors.Join(found...)
}
