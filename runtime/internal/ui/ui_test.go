package ui_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

// The document loads each file once, except for the licence, and each file has a
// content type.
func TestFiles(t *testing.T) {
	document := check.Value(ui.Document(ui.Page{Metrics: ui.Here}))(t)
	var loaded, files []string
	for _, m := range regexp.MustCompile(`"static_content/([^"]+)"`).FindAllSubmatch(document, -1) {
		loaded = append(loaded, string(m[1]))
	}
	found := check.Value(ui.Files())(t)
	for _, f := range found {
		if f.ContentType == "" || f.Size == 0 {
			t.Errorf("%s: content type %q, %d bytes", f.Name, f.ContentType, f.Size)
		}
		if !strings.HasSuffix(f.Name, ".txt") {
			files = append(files, f.Name)
		}
	}
	slices.Sort(loaded)
	slices.Sort(files)
	if !slices.Equal(loaded, files) {
		t.Errorf("the document loads %v, the files are %v", loaded, files)
	}
}

// The document says where the metrics are, and shows a version only if there is one.
func TestDocument(t *testing.T) {
	for _, test := range []struct {
		page        ui.Page
		has, hasNot string
	}{
		{ui.Page{Metrics: ui.Here}, `id="tiles"`, "nometrics"},
		{ui.Page{Metrics: ui.Here, Admin: true}, `id="slowrows"`, "nometrics"},
		{ui.Page{Metrics: ui.Here}, "APIs", `id="slowrows"`},
		{ui.Page{Metrics: ui.Off}, "metrics.enabled", `id="tiles"`},
		{ui.Page{Metrics: ui.Elsewhere}, "MeterProvider", `href="metrics"`},
		{ui.Page{Metrics: ui.Here, Version: "1.4.0"}, "version 1.4.0", "nometrics"},
		{ui.Page{Metrics: ui.Here}, `href="metrics"`, `"faint">version`},
		{ui.Page{Name: `<b>"`, Metrics: ui.Here}, "&lt;b&gt;&#34;", "<b>"},
	} {
		document, err := ui.Document(test.page)
		if err != nil || !strings.Contains(string(document), test.has) || strings.Contains(string(document), test.hasNot) {
			t.Errorf("%+v: must have %s and not %s, %v:\n%s", test.page, test.has, test.hasNot, err, document)
		}
	}
}
