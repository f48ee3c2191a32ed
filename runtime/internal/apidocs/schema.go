// Package apidocs describes an app to its clients: /schema.json for BentoML's
// client, /docs.json as OpenAPI, and the home page. It knows no service, only
// the description that it is given.
package apidocs

import (
	"encoding/json"

	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// App describes an app.
type App struct {
	// Name and Version are the app's, Service is the name of its entry service.
	Name, Version, Service string
	// Prefix is put before every path.
	Prefix string
	APIs   []API
}

// API describes one API of the entry service.
type API struct {
	Name, Route   string
	Input, Output *wire.Schema
	ContentType   string // of a successful response
	Batchable     bool
	// PathParams are the names of the wildcards in Route.
	PathParams []string
	// Sheds says that the API may respond 503 with Retry-After.
	Sheds bool
}

// schemaRoute is an API as BentoML's client reads it.
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

// Schema returns /schema.json, from which BentoML's Python client makes its
// methods.
func Schema(app App) ([]byte, error) {
	doc := struct {
		Name   string                `json:"name"`
		Type   string                `json:"type"`
		Routes []schemaRoute         `json:"routes"`
		Paths  map[string]schemaPath `json:"paths"`
	}{Name: app.Service, Type: "service", Routes: []schemaRoute{}, Paths: map[string]schemaPath{}}
	for _, a := range app.APIs {
		doc.Routes = append(doc.Routes, schemaRoute{
			Name: a.Name, Route: app.Prefix + a.Route, Batchable: a.Batchable, Input: a.Input, Output: a.Output,
		})
		doc.Paths[app.Prefix+a.Route] = schemaPath{}
	}
	return json.Marshal(doc)
}
