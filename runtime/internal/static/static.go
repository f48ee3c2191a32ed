// Package static makes HTTP responses that do not come from a function: documents,
// files, redirects, and BentoML's plain-text errors.
package static

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"time"
)

// textType is shared by all responses and must not be modified.
var textType = []string{"text/plain; charset=utf-8"}

// Plain responds with text/plain, as BentoML does outside its APIs.
func Plain(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header["Content-Type"] = textType
	header["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// NotFound responds 404.
var NotFound = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	Plain(w, http.StatusNotFound, "Not Found")
})

// MethodNotAllowed responds 405 and names the methods that are allowed.
func MethodNotAllowed(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	Plain(w, http.StatusMethodNotAllowed, "Method Not Allowed")
}

// IsRead reports whether the method of a request is GET or HEAD.
func IsRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// ReadOnly responds 405 to every method but GET and HEAD.
func ReadOnly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsRead(r) {
			MethodNotAllowed(w, "GET, HEAD")
			return
		}
		next(w, r)
	})
}

// Document serves content.
func Document(contentType string, content []byte) http.Handler {
	return ReadOnly(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content)
	})
}

// File serves content that a client may cache and revalidate by its ETag.
func File(contentType string, content io.ReaderAt, size int64) http.Handler {
	sum := sha256.New()
	_, _ = io.Copy(sum, io.NewSectionReader(content, 0, size)) // of memory
	tag := `"` + hex.EncodeToString(sum.Sum(nil)[:8]) + `"`
	return ReadOnly(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(content, 0, size))
	})
}
