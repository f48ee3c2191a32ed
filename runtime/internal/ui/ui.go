// Package ui is the page that a service shows to a browser: one document, and
// what it loads. Nothing of it comes from elsewhere.
//
// static/uPlot.js and static/uPlot.css are uPlot 1.6.32, unchanged, under the
// licence beside them.
package ui

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"path"
)

//go:embed static
var static embed.FS

//go:embed index.html
var index string

var document = template.Must(template.New("index").Parse(index))

// Metrics says where a service's metrics are.
type Metrics string

// Where metrics are: below the page; nowhere, as metrics.enabled is false; or
// with a MeterProvider that the program brought along.
const (
	Here      Metrics = "here"
	Off       Metrics = "off"
	Elsewhere Metrics = "elsewhere"
)

// Page is what the document says by itself; the rest it fetches.
type Page struct {
	Name      string
	Version   string // empty: none is set, and none is shown
	Namespace string // of BentoML's families
	Runner    string // runner_name of the entry service
	Prefix    string // http.path_prefix, which labels of paths begin with
	Metrics   Metrics
}

// Document returns the document, as HTML.
func Document(p Page) ([]byte, error) {
	var b bytes.Buffer
	err := document.Execute(&b, p)
	return b.Bytes(), err
}

// Policy is the Content-Security-Policy of the document: everything from this
// server, and styles that scripts set.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File is something that the document loads.
type File struct {
	Name, ContentType string
	Content           []byte
}

var contentTypes = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8"}

// Files returns what the document loads from static_content/.
func Files() ([]File, error) {
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range names {
		content, err := static.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{path.Base(name), contentTypes[path.Ext(name)], content})
	}
	return files, nil
}
