// Package inference has the models of an app, for the Open Inference Protocol over HTTP and gRPC.
package inference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/tensors"
)

// Platform is the platform of each model.
const Platform = "ekiben"

// Model is an API as a model.
type Model struct {
	*tensors.Model

	Name     string
	API      int      // the index of the API
	Versions []string // the version of the app; none: it has none
}

// Models are the models of an app.
type Models struct {
	All    []*Model
	cannot map[string]string // why an API is no model
}

// New makes models of the APIs of an app.
func New(app protocol.App) *Models {
	m := &Models{cannot: map[string]string{}}
	var versions []string
	if app.Version != "" {
		versions = []string{app.Version}
	}
	for i, api := range app.APIs {
		if api.Unfit != "" {
			m.cannot[api.Name] = api.Unfit
			continue
		}
		as, err := tensors.NewModel(api.Input, api.Output, api.Items)
		if err != nil {
			m.cannot[api.Name] = strings.ReplaceAll(err.Error(), "\n", "; ")
			continue
		}
		m.All = append(m.All, &Model{as, api.Name, i, versions})
	}
	return m
}

// Find returns a model, or why there is none. The version "" is the only one.
func (m *Models) Find(name, version string) (*Model, error) {
	var names []string
	for _, one := range m.All {
		names = append(names, one.Name)
		switch {
		case one.Name != name:
		case version == "" || slices.Contains(one.Versions, version):
			return one, nil
		case len(one.Versions) == 0:
			return nil, fmt.Errorf("model %q: has no versions, because app.version is not set, found %q", name, version)
		default:
			return nil, fmt.Errorf("model %q: version must be one of [%s], found %q", name, strings.Join(one.Versions, ", "), version)
		}
	}
	if why := m.cannot[name]; why != "" {
		return nil, fmt.Errorf("model %q: %s", name, why)
	}
	return nil, fmt.Errorf("model %q: must be one of [%s]", name, strings.Join(names, ", "))
}
