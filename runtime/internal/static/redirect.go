package static

import (
	"net/http"
	"path"
)

// WithoutSlash redirects to the path without its trailing slash. The redirect is
// relative, because the app may be mounted below a path that it does not know.
func WithoutSlash(w http.ResponseWriter, r *http.Request) {
	redirect(w, r, "../"+path.Base(r.URL.EscapedPath()))
}

// WithSlash redirects to the home page. The Location begins with "./", so that a
// colon in the name is not read as the end of a URL scheme.
func WithSlash(w http.ResponseWriter, r *http.Request) {
	if !IsRead(r) {
		NotFound(w, r)
		return
	}
	redirect(w, r, "./"+path.Base(r.URL.EscapedPath())+"/")
}

// AddSlash redirects to the path with a slash at its end.
func AddSlash(w http.ResponseWriter, r *http.Request) {
	redirect(w, r, "./"+path.Base(r.URL.EscapedPath())+"/")
}

func redirect(w http.ResponseWriter, r *http.Request, target string) {
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusTemporaryRedirect)
}
