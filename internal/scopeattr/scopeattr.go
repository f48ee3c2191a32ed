// Package scopeattr holds the scope attributes by which the views of package views
// distinguish instruments.
//
// A view sees an instrument and its scope, never the attributes of a
// measurement. An instrument that needs boundaries of its own therefore lives
// in a scope of its own, and an attribute of that scope selects the boundaries.
// The attributes are internal: every exporter of this module leaves them out.
// Instruments of a provider that a user built must not have them, because other
// exporters show them as labels.
package scopeattr

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Prefix begins the name of every internal scope attribute.
const Prefix = "ekiben."

const (
	// Endpoint holds the route whose durations the scope records; "" is every
	// route without boundaries of its own.
	Endpoint = attribute.Key(Prefix + "endpoint")
	// MaxBatchSize holds the largest max_batch_size of the service.
	MaxBatchSize = attribute.Key(Prefix + "max_batch_size")
	// Native selects, when true, the exponential form of the durations, which
	// Prometheus calls a native histogram.
	Native = attribute.Key(Prefix + "native")
)

// Internal reports whether key is an internal scope attribute.
func Internal(key attribute.Key) bool { return strings.HasPrefix(string(key), Prefix) }

// Public returns set without its internal attributes.
func Public(set attribute.Set) attribute.Set {
	public, _ := set.Filter(func(kv attribute.KeyValue) bool { return !Internal(kv.Key) })
	return public
}
