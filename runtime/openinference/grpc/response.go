package openinferencegrpc

import (
	"slices"

	"github.com/ekiben-serving/ekiben/runtime/internal/grpcwire"
	"github.com/ekiben-serving/ekiben/runtime/internal/inference"
)

// reply is the response to a call of ModelInfer.
type reply struct {
	model   *inference.Model
	id      string
	outputs []string // none: all
	raw     bool     // elements are raw bytes, as those of the request
}

// Encode returns the message for a result, with its prefix.
func (r *reply) Encode(result []byte) ([]byte, map[string]string, error) {
	all, err := r.model.Results(result, func(name string) bool { return len(r.outputs) == 0 || slices.Contains(r.outputs, name) })
	if err != nil {
		return nil, nil, err
	}
	to := appendString(grpcwire.Begin(), 1, r.model.Name)
	if len(r.model.Versions) > 0 {
		to = appendString(to, 2, r.model.Versions[0])
	}
	to = appendString(to, 3, r.id)
	elements := make([][]byte, len(all))
	for i := range all {
		if elements[i], err = all[i].Raw(); err != nil {
			return nil, nil, err
		}
		tensor := appendShape(appendString(appendString(nil, 1, all[i].Name), 2, all[i].Datatype), 3, all[i].Shape)
		if !r.raw {
			tensor = appendContents(tensor, 5, all[i].Datatype, elements[i])
		}
		to = appendBytes(to, 5, tensor)
	}
	if r.raw {
		for _, one := range elements {
			to = appendBytes(to, 6, one)
		}
	}
	return grpcwire.End(to), nil, nil
}
