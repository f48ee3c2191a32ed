// Package apidocs makes the documents that describe an app: /schema.json for
// BentoML's client, /docs.json for OpenAPI tools, and the home page.
package apidocs

import (
	"encoding/json"

	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// App describes an app.
type App struct {
	Version string
	Service string // name of the entry service
	// Prefix is http.path_prefix, with which every path begins.
	Prefix string
	APIs   []API
	Mounts []string // paths below which other handlers serve
	// Bearer and Basic say which credentials requests may have. Without both, requests need none.
	Bearer, Basic bool
}

// API describes one API of the entry service.
type API struct {
	Name, Route   string
	Input, Output *wire.Schema
	ContentType   string // of a successful response
	Batchable     bool
	Task          bool // has the routes of a task below its own
	// PathParams are the names of the wildcards in Route, in order.
	PathParams []string
	// Sheds reports whether the API may respond 503 with Retry-After.
	Sheds bool
}

// schemaRoute describes an API to BentoML's client.
type schemaRoute struct {
	Name      string       `json:"name"`
	Route     string       `json:"route"`
	Batchable bool         `json:"batchable"`
	Input     *wire.Schema `json:"input"`
	Output    *wire.Schema `json:"output"`
	IsTask    bool         `json:"is_task"`
}

type schemaPath struct {
	Mounted bool `json:"mounted"`
}

// Schema returns /schema.json. BentoML's Python client makes its methods from it.
func Schema(app App) ([]byte, error) {
	doc := struct {
		Name   string                `json:"name"`
		Type   string                `json:"type"`
		Routes []schemaRoute         `json:"routes"`
		Paths  map[string]schemaPath `json:"paths"`
	}{Name: app.Service, Type: "service", Routes: []schemaRoute{}, Paths: map[string]schemaPath{}}
	for _, a := range app.APIs {
		doc.Routes = append(doc.Routes, schemaRoute{
			Name: a.Name, Route: app.Prefix + a.Route, Batchable: a.Batchable, Input: a.Input, Output: a.Output, IsTask: a.Task,
		})
		doc.Paths[app.Prefix+a.Route] = schemaPath{}
	}
	for _, path := range app.Mounts {
		doc.Paths[app.Prefix+path] = schemaPath{Mounted: true}
	}
	return json.Marshal(doc)
}
