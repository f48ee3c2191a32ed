package minilm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder without the model, or with a broken one, is an error that names each file.
func TestOpenErrors(t *testing.T) {
	folder := t.TempDir()
	_, err := Open(folder, Options{})
	for _, name := range []string{GraphFile, vocabFile} {
		if err == nil || !strings.Contains(err.Error(), filepath.Join(folder, name)+": does not exist; go run ./fetch makes it") {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Open(folder, Options{})
	for _, want := range []string{vocabFile + ": its SHA-256 must be 07eced3", GraphFile + ": its SHA-256 must be "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

// A number of threads that is none is an error that says what would be right.
func TestThreads(t *testing.T) {
	for text, want := range map[string]string{"": "0 <nil>", "3": "3 <nil>", "-1": `0 MINILM_THREADS: must be a whole number, 0 or more, found "-1"`, "two": `0 MINILM_THREADS: must be a whole number, 0 or more, found "two"`} {
		t.Setenv("MINILM_THREADS", text)
		n, err := Threads()
		if got := fmt.Sprint(n, " ", err); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// Wrong weights are an error that says what is wrong.
func TestWrongWeights(t *testing.T) {
	header := func(json string) string {
		return string([]byte{byte(len(json)), 0, 0, 0, 0, 0, 0, 0}) + json
	}
	for file, want := range map[string]string{
		"":                                 "must begin with the length of its header",
		header("{}")[:9]:                   "its header has 2 bytes, but the file ends after 1",
		header("{"):                        "its header: ",
		header("{}"):                       " is missing",
		header(`{"a":"b"}`):                "its header: ",
		"\xff\xff\xff\xff\xff\xff\xff\xff": "its header has 18446744073709551615 bytes",
	} {
		if _, err := Graph([]byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
}

// Lists of like length are together, and no group has more than MaxRows or much padding.
func TestByLength(t *testing.T) {
	var tokens [][]int32
	for i := range 200 {
		tokens = append(tokens, make([]int32, 1+i*7%250))
	}
	seen := map[int]bool{}
	for _, group := range byLength(tokens) {
		sum, longest := 0, 0
		for _, at := range group {
			seen[at] = true
			sum += len(tokens[at])
			longest = max(longest, len(tokens[at]))
		}
		if padded := longest * len(group); len(group) > MaxRows || 4*(padded-sum) > padded {
			t.Errorf("a group of %d with %d of %d tokens", len(group), sum, padded)
		}
	}
	if len(seen) != len(tokens) {
		t.Errorf("%d of %d lists", len(seen), len(tokens))
	}
}
