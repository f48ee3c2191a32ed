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
	for _, key := range endpointKeys(c) {
		if n.Routes != nil && !slices.Contains(n.Routes, key.route) {
			found = append(found, &Problem{Key: key.table + "." + key.route, Cause: ErrNoSuchName,
				Text: "no API has this route; answered: " + strings.Join(n.Routes, ", ")})
		}
	}
	return errors.Join(found...)
}

// endpointKey is an entry of a table that has settings by route.
type endpointKey struct{ table, route string }

// endpointKeys lists the entries of all such tables of c, in order.
func endpointKeys(c Config) []endpointKey {
	keys := entriesOf("traffic.endpoints", c.Traffic.Endpoints)
	keys = append(keys, entriesOf("metrics.endpoints", c.Metrics.Views.Endpoints)...)
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		keys = append(keys, entriesOf("services."+name+".traffic.endpoints", c.Services[name].Traffic.Endpoints)...)
	}
	return keys
}

func entriesOf[T any](table string, entries map[string]T) []endpointKey {
	var keys []endpointKey
	for _, route := range slices.Sorted(maps.Keys(entries)) {
		keys = append(keys, endpointKey{table, route})
	}
	return keys
}
