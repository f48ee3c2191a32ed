// Package ui has the home page of a service: a document and the files that it loads.
// The page loads nothing from other servers.
//
// static/uPlot.js and static/uPlot.css are uPlot 1.6.32, unchanged. Their licence
// is static/uPlot.LICENSE.txt.
package ui

import (
	"bytes"
	"embed"
	"html/template"
	"io"
	"io/fs"
	"path"
)

//go:embed static
var static embed.FS

//go:embed index.html
var index string

var document = template.Must(template.New("index").Parse(index))

// Metrics says where the metrics of a service are.
type Metrics string

// The places.
const (
	Here      Metrics = "here"      // at /metrics
	Off       Metrics = "off"       // metrics.enabled is false
	Private   Metrics = "private"   // metrics.public is false
	Elsewhere Metrics = "elsewhere" // in a MeterProvider of the program
)

// Page has the values that the document contains. Its scripts fetch the rest.
type Page struct {
	Name      string
	Version   string // empty: no version is shown
	Namespace string // prefix of the names of BentoML's metrics
	Runner    string // runner_name of the entry service
	Prefix    string // http.path_prefix; the labels of paths begin with it
	Metrics   Metrics
	Admin     bool // the page is at the admin door, which has no APIs
}

// Document returns the document, as HTML.
func Document(p Page) ([]byte, error) {
	var b bytes.Buffer
	err := document.Execute(&b, p)
	return b.Bytes(), err
}

// Policy is the Content-Security-Policy of the document. It allows files of this
// server, and styles that scripts set.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File is a file that the document loads.
type File struct {
	Name, ContentType string
	Content           io.ReaderAt // of the program: there is no copy of it
	Size              int64
}

var contentTypes = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8"}

// Files returns the files that the document loads from static_content/.
func Files() ([]File, error) {
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range names {
		file, err := static.Open(name)
		if err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		files = append(files, File{path.Base(name), contentTypes[path.Ext(name)], file.(io.ReaderAt), info.Size()}) // as package embed promises
	}
	return files, nil
}
