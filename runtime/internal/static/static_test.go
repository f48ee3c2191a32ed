package static_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

func TestDocuments(t *testing.T) {
	document, file := static.Document("a/b", []byte("text")), static.File("a/b", strings.NewReader("text"), 4)
	tag := `"` + "982d9e3eb996f559" + `"` // of SHA-256
	for name, test := range map[string]struct {
		handler             http.Handler
		method, ifNoneMatch string
		status              int
		body, allow         string
	}{
		"document":          {document, "GET", "", 200, "text", ""},
		"document, HEAD":    {document, "HEAD", "", 200, "text", ""}, // the server drops the body
		"document, POST":    {document, "POST", "", 405, "Method Not Allowed", "GET, HEAD"},
		"file":              {file, "GET", "", 200, "text", ""},
		"file, HEAD":        {file, "HEAD", "", 200, "", ""},
		"file, same":        {file, "GET", tag, 304, "", ""},
		"file, another":     {file, "GET", `"x"`, 200, "text", ""},
		"file, PUT":         {file, "PUT", tag, 405, "Method Not Allowed", "GET, HEAD"},
		"not found":         {static.NotFound, "GET", "", 404, "Not Found", ""},
		"not found, DELETE": {static.NotFound, "DELETE", "", 404, "Not Found", ""},
	} {
		r, w := httptest.NewRequest(test.method, "/", nil), httptest.NewRecorder()
		r.Header.Set("If-None-Match", test.ifNoneMatch)
		test.handler.ServeHTTP(w, r)
		if w.Code != test.status || w.Body.String() != test.body || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s: got %d %q, %v", name, w.Code, w.Body, w.Header())
		}
	}
}
