package migrate

import (
	"maps"
	"slices"
)

// unmatched is the endpoint by which the new server counts paths without a route.
const unmatched = "unmatched"

const strayed = "paths without a route are endpoint=\"" + unmatched + "\""

// strays are the paths that were only ever answered 404, where the other page
// counts such paths as unmatched: BentoML makes series of every path that a
// stranger asks for. A path that the other page has is a route's.
func (p *Page) strays(other *Page) map[string]bool {
	found, routes := map[string]bool{}, map[string]bool{}
	for _, s := range other.samples {
		routes[s.labels["endpoint"]] = true
	}
	if !routes[unmatched] {
		return found
	}
	for _, s := range p.samples {
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

// followed leaves out the strays that a selector finds as unmatched too, and what
// they are on the new page. A selector that names a path, or leaves one out, sees
// what has become of it.
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
