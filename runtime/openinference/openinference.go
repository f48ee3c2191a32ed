// Package openinference serves the APIs of an app over the Open Inference Protocol, version 2,
// too, as KServe, Triton and MLServer speak it over HTTP. A program that sets
// http.open_inference must import it, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/runtime/openinference"
//
// Package ekiben has this import. Each API is a model with the API's name:
//
//	GET  /v2                              the app
//	GET  /v2/health/live, /v2/health/ready counted as /livez and /readyz
//	GET  /v2/models/{name}                names, datatypes and shapes of the tensors
//	GET  /v2/models/{name}/ready          counted as /readyz
//	POST /v2/models/{name}/infer          calls the API
//
// If app.version is set, /v2/models/{name}/versions/{version} is the same. The input
// parameters of an API are tensors, and so are the fields of its result; a result without fields
// is the tensor "output", a body without parameters "input". Elements are JSON, or raw bytes
// as Triton's extension for binary tensors has them. The rows of a batchable API are the first
// dimension of all its tensors, and the batches are those of all requests.
//
// A call is a request of the API: it has the API's limits, and is counted and logged as a request of
// its endpoint. An API is no model if it streams, if its route has wildcards, or if a value is
// neither a scalar nor a list of them. A request for it gets a 404 that says why.
//
// The protocol is at github.com/kserve/open-inference-protocol; the binary extension at
// github.com/triton-inference-server/server/tree/main/docs/protocol.
package openinference

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"

	"github.com/ekiben-serving/ekiben/runtime/internal/inference"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/tensors"
)

func init() { protocol.OpenInference.Register(rest{}) }

type rest struct{}

// served has the models of an app.
type served struct {
	app    protocol.App
	models *inference.Models
}

// model is a model as a translator of requests.
type model struct{ *inference.Model }

// Routes returns the routes of the protocol.
func (rest) Routes(app protocol.App) ([]protocol.Route, error) {
	if app.Version != "" && !segment.MatchString(app.Version) {
		return nil, fmt.Errorf("app.version: must have only letters, digits, and . _ ~ + -, because paths have it, found %q", app.Version)
	}
	s := &served{app, inference.New(app)}
	var routes []protocol.Route
	for _, one := range s.models.All {
		for _, path := range paths(one) {
			routes = append(routes, protocol.Route{Path: path + "/infer", Translator: &model{one}, API: one.API})
		}
	}
	routes = append(routes,
		protocol.Route{Path: "/v2", Handler: get(s.metadata)},
		protocol.Route{Path: "/v2/health/live", Handler: health(app.Live, "live"), Probe: "/livez"},
		protocol.Route{Path: "/v2/health/ready", Handler: health(app.Ready, "ready"), Probe: "/readyz"})
	for _, path := range []string{"/v2/models/{name}", "/v2/models/{name}/versions/{version}"} {
		routes = append(routes,
			protocol.Route{Path: path, Handler: get(s.model)},
			protocol.Route{Path: path + "/ready", Handler: http.HandlerFunc(s.ready), Probe: "/readyz"},
			protocol.Route{Path: path + "/infer", Handler: http.HandlerFunc(s.unknown)})
	}
	return routes, nil
}

// segment is what a version in a path may be.
var segment = regexp.MustCompile(`^[A-Za-z0-9._~+-]+$`)

// paths returns the paths of a model.
func paths(m *inference.Model) []string {
	all := []string{"/v2/models/" + m.Name}
	for _, version := range m.Versions {
		all = append(all, all[0]+"/versions/"+version)
	}
	return all
}

// get returns a handler of GET that responds with JSON.
func get(content func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			wrongMethod(w, r)
			return
		}
		body, err := content(r)
		if err != nil {
			respond(w, http.StatusNotFound, failure{err.Error()})
			return
		}
		respond(w, http.StatusOK, body)
	})
}

func wrongMethod(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	respond(w, http.StatusMethodNotAllowed, failure{"method must be GET, found " + r.Method})
}

// failure is an error of the protocol.
type failure struct {
	Error string `json:"error"`
}

func respond(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(content); err != nil {
		return // the client has left
	}
}

func (s *served) metadata(*http.Request) (any, error) {
	return struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}{s.app.Name, s.app.Version, []string{"binary_tensor_data"}}, nil
}

// find returns the model of a path below /v2/models, or why there is none.
func (s *served) find(r *http.Request) (*inference.Model, error) {
	return s.models.Find(r.PathValue("name"), r.PathValue("version"))
}

// tensorMetadata describes a tensor.
type tensorMetadata struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

func describe(columns []tensors.Column) []tensorMetadata {
	list := []tensorMetadata{}
	for i := range columns {
		list = append(list, tensorMetadata{columns[i].Name, columns[i].Datatype, columns[i].Shape()})
	}
	return list
}

func (s *served) model(r *http.Request) (any, error) {
	found, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return struct {
		Name     string           `json:"name"`
		Versions []string         `json:"versions,omitempty"`
		Platform string           `json:"platform"`
		Inputs   []tensorMetadata `json:"inputs"`
		Outputs  []tensorMetadata `json:"outputs"`
	}{found.Name, found.Versions, inference.Platform, describe(found.Inputs), describe(found.Outputs)}, nil
}

func (s *served) ready(w http.ResponseWriter, r *http.Request) {
	if _, err := s.find(r); err != nil { // the names of models are not for everybody, and probes need no credentials
		respond(w, http.StatusNotFound, failure{fmt.Sprintf("model %q: there is no such model, or not of this version", r.PathValue("name"))})
		return
	}
	serveHealth(w, r, s.app.Ready, map[string]any{"name": r.PathValue("name")}, "ready")
}

// health responds as a probe of the app, in JSON.
func health(probe http.Handler, key string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveHealth(w, r, probe, map[string]any{}, key) })
}

func serveHealth(w http.ResponseWriter, r *http.Request, probe http.Handler, content map[string]any, key string) {
	status, header := protocol.Ask(probe, r)
	if status == http.StatusMethodNotAllowed {
		wrongMethod(w, r)
		return
	}
	for name, values := range header {
		if name != "Content-Type" && name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	content[key] = status == http.StatusOK
	respond(w, status, content)
}

// unknown responds to an infer request for a model that is not there: the others have routes.
func (s *served) unknown(w http.ResponseWriter, r *http.Request) {
	_, err := s.find(r)
	if err == nil { // middleware has changed the path
		err = fmt.Errorf("model %q: middleware must not change the path of the request", r.PathValue("name"))
	}
	respond(w, http.StatusNotFound, failure{err.Error()})
}
