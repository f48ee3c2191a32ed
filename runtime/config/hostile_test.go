package config

import (
	"fmt"
	"strings"
	"testing"
)

// hostile has files that try to use as much time and memory as possible.
// BenchmarkHostileFiles measures them.
var hostile = map[string]string{
	"brackets":      "a: " + strings.Repeat("[", 1<<20-10),
	"braces":        strings.Repeat("{a: ", 1<<18-1),
	"dashes":        "a:\n" + strings.Repeat("- ", 1<<19-10),
	"one long key":  strings.Repeat("k", 1<<20-10) + ": 1",
	"long key path": strings.Repeat("a:\n ", 1<<10),
	"many keys":     manyKeys(1 << 16),
	"many unknown":  manyKeys(19_000),
	"long text":     "workers: x" + strings.Repeat("x", 1<<20-40),
	"many aliases":  "a: &a x\nb: [" + strings.Repeat("*a,", 1<<18) + "]",
	"merges":        "a: &a {x: 1}\nb:\n" + strings.Repeat("  <<: *a\n", 1<<15),
	"quotes":        strings.Repeat("\"", 1<<20-1),
	"anchors":       strings.Repeat("&a ", 1<<18),
	"comments":      strings.Repeat("# x\n", 1<<18-10) + "nope: 1",
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func TestHostileFiles(t *testing.T) {
	for name, text := range hostile {
		if _, err := load(t, text); err == nil {
			t.Errorf("%s was accepted", name)
		} else if first, _, _ := strings.Cut(err.Error(), "\n"); len(first) > 1000 {
			t.Errorf("%s: an error of %d bytes", name, len(first))
		}
	}
}

func BenchmarkHostileFiles(b *testing.B) {
	for name, text := range hostile {
		b.Run(name, func(b *testing.B) {
			file := b.TempDir() + "/config.yaml"
			writeFile(b, file, text)
			for b.Loop() {
				_, _ = Source{File: file}.Load(Default())
			}
		})
	}
}
