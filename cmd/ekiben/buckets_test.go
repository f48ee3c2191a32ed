package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A page that is too large is refused: what stands beyond would not be counted.
func TestBucketsOfALargePage(t *testing.T) {
	comments := strings.Repeat("# "+strings.Repeat("x", 1021)+"\n", 1<<10)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# TYPE a_seconds histogram\na_seconds_bucket{le=\"+Inf\"} 1\n"))
		for range maxPage>>20 + 1 {
			_, _ = w.Write([]byte(comments))
		}
	}))
	defer page.Close()
	_, err := bucketsCommand{From: page.URL}.fetch(t.Context(), "a_seconds")
	if err == nil || err.Error() != "must be 64 MB at most, found more" {
		t.Errorf("found %v", err)
	}
}
