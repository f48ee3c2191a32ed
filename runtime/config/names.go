package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Names are the services and routes of an app. A configuration with other names is
// refused, because a misspelt name would silently have no effect.
type Names struct {
	// Services lists the services, the entry service first.
	Services []string
	// Routes lists the routes as declared, without http.path_prefix. Nil: routes are
	// not checked.
	Routes []string
	// Reserved lists the runtime's own routes. They are measured, but have no limits.
	Reserved []string
}

// ErrNoSuchName is the cause of each [Problem] with a service or a route that
// the app does not have.
var ErrNoSuchName = errors.New("no such name")

// Check returns a joined error with a [Problem] for each service and route of c
// that is not in n, or nil.
func (n Names) Check(c Config) error {
	var found problems
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if !slices.Contains(n.Services, name) {
			found = append(found, &Problem{Key: "services." + name, Cause: ErrNoSuchName,
				Text: "no service has this name; services: " + strings.Join(n.Services, ", ")})
		}
	}
	for _, key := range endpointKeys(c) {
		routes := n.Routes
		if key.table == measuredTable {
			routes = append(slices.Clone(routes), n.Reserved...)
		}
		if n.Routes != nil && strings.HasPrefix(key.route, "/") && !slices.Contains(routes, key.route) { // Validate refuses others
			found = append(found, &Problem{Key: key.table + "." + key.route, Cause: ErrNoSuchName,
				Text: "no API has this route; routes: " + strings.Join(routes, ", ")})
		}
	}
	return errors.Join(found...)
}

// endpointKey is an entry of a table of endpoints.
type endpointKey struct{ table, route string }

// measuredTable is the table that also takes routes that belong to no API.
const measuredTable = "metrics.endpoints"

// endpointKeys lists the entries of all tables of endpoints, in order.
func endpointKeys(c Config) []endpointKey {
	keys := entriesOf("traffic.endpoints", c.Traffic.Endpoints)
	keys = append(keys, entriesOf(measuredTable, c.Metrics.Views.Endpoints)...)
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
