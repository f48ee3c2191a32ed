package main

import (
	"archive/zip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

const version = "v0.0.0-20261105234957-e22db6528018"

// proxy sets the environment of go to a module proxy with one module, vulndb.test.
func proxy(t *testing.T) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "vulndb.test", "@v")
	check.Must(t, os.MkdirAll(folder, 0o755))
	var archive strings.Builder
	w := zip.NewWriter(&archive)
	entry := check.Value(w.Create("vulndb.test@" + version + "/data/osv/GO-1.json"))(t)
	_, err := entry.Write([]byte("{}"))
	check.Must(t, err, w.Close())
	for name, text := range map[string]string{
		"list":            version + "\n",
		version + ".info": `{"Version": "` + version + `", "Time": "2026-11-05T23:49:57Z"}`,
		version + ".mod":  "module vulndb.test\n",
		version + ".zip":  archive.String(),
	} {
		check.Must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	t.Setenv("GOPROXY", "file://"+filepath.ToSlash(filepath.Dir(filepath.Dir(folder))))
	t.Setenv("GONOSUMDB", "vulndb.test")
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOFLAGS", "-modcacherw") // TempDir removes its folder
}

func TestFind(t *testing.T) {
	proxy(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index/db.json" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"modified": "2026-11-20T10:00:00Z"}`))
	}))
	defer server.Close()

	found, err := find(t.Context(), server.URL, "vulndb.test@latest")
	check.OK(t, err)
	check.Equal(t, found, database{server.URL, server.URL, time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)})

	found, err = find(t.Context(), server.URL+"/none", "vulndb.test@latest")
	check.Must(t, err)
	check.Equal(t, found.name, "vulndb.test@"+version)
	check.Equal(t, found.date, time.Date(2026, 11, 5, 23, 49, 57, 0, time.UTC))
	check.Value(os.Stat(filepath.Join(strings.TrimPrefix(found.url, "file://"), "GO-1.json")))(t)

	_, err = find(t.Context(), server.URL+"/none", "other.test@v1.0.0")
	if err == nil {
		t.Fatal("a database was found where there is none")
	}
	check.Contains(t, err.Error(), "/none: must respond 200, found 404 Not Found", "other.test")
}
