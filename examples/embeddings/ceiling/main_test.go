package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/examples/embeddings/minilm"
)

// A file is refused before the model is loaded.
func TestTexts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "texts.json")
	for content, want := range map[string]string{`["a"]`: "must have 32 texts at least, found 1", `{}`: "must be a JSON list of texts"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(1, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: found %v, want %s", content, err, want)
		}
	}
}

// Each line of the input gives a line, and only full batches count.
func TestLoop(t *testing.T) {
	if _, err := os.Stat(filepath.Join(minilm.Folder(), minilm.GraphFile)); err != nil {
		t.Skip("no model: go run ./fetch gets it")
	}
	model, err := minilm.Open(minilm.Folder(), minilm.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	}()
	full := make([]string, minilm.MaxRows)
	var out bytes.Buffer
	if err := loop(model, [][]string{full, {"one two three"}}, strings.NewReader("0.000001\n0\n"), json.NewEncoder(&out)); err != nil {
		t.Fatal(err)
	}
	var counted tokens
	lines := json.NewDecoder(&out)
	if err := lines.Decode(&counted); err != nil || counted != (tokens{minilm.Backend, 2, 2, 2, 2, 2, 2}) {
		t.Errorf("%+v, %v", counted, err)
	}
	for _, want := range []int{minilm.MaxRows, 0} {
		var got taken
		if err := lines.Decode(&got); err != nil || got.Texts != want {
			t.Errorf("%+v, %v, want %d texts", got, err, want)
		}
	}
	if err := loop(model, [][]string{full}, strings.NewReader("soon\n"), json.NewEncoder(&out)); err == nil || err.Error() != `a line must be a time in seconds, found "soon"` {
		t.Error(err)
	}
}
