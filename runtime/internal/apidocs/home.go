package apidocs

import (
	"bytes"
	"mime"
	"net/http"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

// AssetsPath is the path of the files that the home page loads. It is BentoML's
// path, which BentoML's dashboards exclude.
const AssetsPath = "/static_content/"

// Home serves the home page to browsers, and list, the routes as plain text, to all
// other clients.
func Home(page ui.Page, list string) (http.Handler, error) {
	content, err := ui.Document(page)
	if err != nil {
		return nil, err
	}
	html, text := static.File("text/html; charset=utf-8", bytes.NewReader(content), int64(len(content))), List(list)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		if !wantsHTML(r) {
			text.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", ui.Policy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		html.ServeHTTP(w, r)
	}), nil
}

// List serves list, the routes, as plain text.
func List(list string) http.Handler {
	return static.Document("text/plain; charset=utf-8", []byte(list))
}

// Assets returns the handlers of the files that the home page loads, by path.
func Assets() (map[string]http.Handler, error) {
	files, err := ui.Files()
	if err != nil {
		return nil, err
	}
	handlers := map[string]http.Handler{}
	for _, f := range files {
		handlers[AssetsPath+f.Name] = static.File(f.ContentType, f.Content, f.Size)
	}
	return handlers, nil
}

// wantsHTML reports whether the client is a browser: its Accept header names
// text/html.
func wantsHTML(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if media, params, err := mime.ParseMediaType(part); err == nil && media == "text/html" && params["q"] != "0" {
			return true
		}
	}
	return false
}
