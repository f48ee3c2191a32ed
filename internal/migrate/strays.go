package migrate

import (
	"maps"
	"slices"
)

// unmatched is the value of endpoint for paths without a route on the new server.
const unmatched = "unmatched"

const strayed = "the new server counts paths without a route as endpoint=\"" + unmatched + "\""

// strays returns the paths that had only 404 responses, if the other server counts
// such paths as unmatched. BentoML makes series for every path that a client
// requests. A path that both servers have is a route.
func (m *Metrics) strays(other *Metrics) map[string]bool {
	found, routes := map[string]bool{}, map[string]bool{}
	for _, s := range other.samples {
		routes[s.labels["endpoint"]] = true
	}
	if !routes[unmatched] {
		return found
	}
	for _, s := range m.samples {
		endpoint, status := s.labels["endpoint"], s.labels["http_response_code"]
		if endpoint == "" || status == "" || routes[endpoint] {
			continue
		}
		if _, seen := found[endpoint]; !seen {
			found[endpoint] = true
		}
		found[endpoint] = found[endpoint] && status == "404"
	}
	return found
}

func withoutStrays(values, strays map[string]bool) map[string]bool {
	kept := map[string]bool{}
	for value := range values {
		if !strays[value] {
			kept[value] = true
		}
	}
	return kept
}

// followed removes strays that the selector also selects as unmatched, and the new
// series for them. A selector with the name of a path does not select unmatched.
func (c *checker) followed(before, after []sample, selects func(sample) bool) (was, is []sample) {
	follows := false
	was = slices.DeleteFunc(before, func(s sample) bool {
		moved := c.strays[s.labels["endpoint"]] && selects(s.unmatched())
		follows = follows || moved
		return moved
	})
	is = slices.DeleteFunc(after, func(s sample) bool { return follows && s.labels["endpoint"] == unmatched })
	return was, is
}

func (s sample) unmatched() sample {
	s.labels = maps.Clone(s.labels)
	s.labels["endpoint"] = unmatched
	return s
}
