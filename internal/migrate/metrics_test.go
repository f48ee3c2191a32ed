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

// Metrics that Windows tools saved are the same metrics.
func TestMetricsOfWindows(t *testing.T) {
	utf16 := []byte{0xff, 0xfe}
	for _, c := range oldPage {
		utf16 = append(utf16, byte(c), 0)
	}
	for form, text := range map[string]string{"BOM": "\ufeff" + oldPage, "CRLF": strings.ReplaceAll(oldPage, "\n", "\r\n"), "UTF-16": string(utf16)} {
		got, err := migrate.Parse("m", []byte(text), "")
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		if differences := migrate.Compare(parse(t, "old", oldPage), got); len(differences) > 0 {
			t.Errorf("%s: %v", form, differences)
		}
	}
}

// The error for a missing file names the URL that an address may mean.
func TestAddressWithoutScheme(t *testing.T) {
	for source, hint := range map[string]bool{"localhost:4331/metrics": true, "bentoml:3000": true, "bentoml/metrics": true, "none.txt": false, "./metrics": false, "a:b.txt": false} {
		_, err := migrate.Load(t.Context(), source, nil, 0)
		if err == nil || strings.HasSuffix(err.Error(), "; for a URL write http://"+source) != hint {
			t.Errorf("%s: %v", source, err)
		}
	}
}
