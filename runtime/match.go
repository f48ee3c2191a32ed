package runtime

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/pattern"
)

// routes is the route table of an app: exact paths first, then patterns, then mounts. It is not
// an http.ServeMux, because a ServeMux itself responds to wrong methods and unclean
// paths, and these responses would not be counted.
type routes struct {
	prefix    string
	roots     map[string]*route // the paths without the prefix; one that ends in a slash is for all paths below it
	exact     map[string]*route
	patterns  []patternRoute // the more specific ones first
	unmatched *route
	mounts    []*mount // the longer paths first
	slash     *route   // redirects to the path without its trailing slash
	bare      *route   // redirects the path prefix to the home page; nil: no home page
}

type patternRoute struct {
	pattern pattern.Pattern
	route   *route
}

// match finds the route of a request. A path with a trailing slash is redirected to
// the path without it, as in BentoML. The path prefix alone is redirected to the home
// page.
func (t *routes) match(r *http.Request, u *url.URL) match {
	if escapesSlash(u) {
		return match{route: cmp.Or(t.matchMount(r, u), t.unmatched)}
	}
	path := u.Path
	if len(t.roots) > 0 {
		if found := cmp.Or(t.roots[path], t.roots[path[:strings.LastIndexByte(path, '/')+1]]); found != nil {
			return match{route: found}
		}
	}
	if t.prefix != "" {
		below, ok := strings.CutPrefix(path, t.prefix)
		if !ok {
			return match{route: t.unmatched}
		}
		if below == "" && t.bare != nil {
			return match{route: t.bare}
		}
		path = below
	}
	if found, ok := t.exact[path]; ok && path != "/" {
		return match{route: found}
	}
	if found, ok := t.matchPattern(path); ok {
		return found
	}
	if found := t.matchMount(r, u); found != nil {
		return match{route: found}
	}
	if path == "/" {
		return match{route: t.exact[path]}
	}
	if trimmed, ok := strings.CutSuffix(path, "/"); ok && trimmed != "/" {
		_, wild := t.matchPattern(trimmed)
		if wild || t.exact[trimmed] != nil {
			return match{route: t.slash}
		}
	}
	return match{route: t.unmatched}
}

// again finds the route of a request that was matched before. If middleware has changed
// the path since, the route has another pattern, and the request's first line is matched.
func (t *routes) again(r *http.Request) match {
	found := t.match(r, r.URL)
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && found.route.pattern != r.Pattern {
		if first := t.match(r, u); first.route.pattern == r.Pattern {
			return first
		}
	}
	return found
}

func (t *routes) matchPattern(path string) (match, bool) {
	for _, one := range t.patterns {
		if values, ok := one.pattern.Match(path); ok {
			return match{one.route, values}, true
		}
	}
	return match{}, false
}

// matchMount returns the route of the longest mount that knows the path; nil: none.
func (t *routes) matchMount(r *http.Request, u *url.URL) *route {
	for _, one := range t.mounts {
		if found := one.match(r, u); found != nil {
			return found
		}
	}
	return nil
}

// escapesSlash reports whether a slash of the path is escaped: it must not divide
// what wildcards match, and a redirect relative to the path would lead elsewhere.
func escapesSlash(u *url.URL) bool { return strings.Contains(strings.ToLower(u.RawPath), "%2f") }
