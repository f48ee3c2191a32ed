package runtime

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

// home is what / answers: the page, to a browser, if http.page has it; the list
// of routes to everybody else.
func (rt *Runtime) home() (http.Handler, error) {
	list := document("text/plain; charset=utf-8", rt.index())
	if !rt.cfg().HTTP.Page {
		return list, nil
	}
	page, err := ui.Document(ui.Page{
		Name: rt.app.name, Version: rt.cfg().App.Version, Namespace: rt.cfg().Metrics.Namespace(), Runner: legalText(rt.entry.name), Prefix: rt.cfg().HTTP.PathPrefix, Metrics: rt.whereMetrics(),
	})
	if err != nil {
		return nil, err
	}
	shown := static("text/html; charset=utf-8", page)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		if !wantsHTML(r) {
			list.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", ui.Policy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		shown.ServeHTTP(w, r)
	}), nil
}

func (rt *Runtime) whereMetrics() ui.Metrics {
	switch {
	case rt.exporter != nil:
		return ui.Here
	case rt.telemetry != nil:
		return ui.Elsewhere
	}
	return ui.Off
}

// wantsHTML reports whether a browser asks: it names text/html.
func wantsHTML(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if media, params, err := mime.ParseMediaType(part); err == nil && media == "text/html" && params["q"] != "0" {
			return true
		}
	}
	return false
}

// assetsPath begins the paths of what the page loads.
const assetsPath = "/static_content/"

// assets adds what the page loads to the routes, where BentoML has its own:
// dashboards leave that path out.
func (rt *Runtime) assets(routes map[string]http.Handler) error {
	if !rt.cfg().HTTP.Page {
		return nil
	}
	files, err := ui.Files()
	if err != nil {
		return err
	}
	for _, f := range files {
		routes[assetsPath+f.Name] = rt.through(static(f.ContentType, f.Content))
	}
	return nil
}

// static answers a file that a client may keep, and ask for again.
func static(contentType string, content []byte) http.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return readOnly(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}
