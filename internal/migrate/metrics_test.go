package migrate_test

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// The error names the format of a body that is not metrics.
func TestOtherFormats(t *testing.T) {
	for what, text := range map[string]string{"gzip": "\x1f\x8b\x08\x00", "HTML": "\n<!DOCTYPE html><html></html>"} {
		if _, err := migrate.Parse("p", []byte(text), ""); err == nil || !strings.HasSuffix(err.Error(), ", found "+what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
