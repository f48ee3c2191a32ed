package openinferencegrpc

import (
	"errors"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ekiben-serving/ekiben/runtime/internal/inference"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/tensors"
)

// model returns the model that fields 1 and 2 of a message name.
func (s *served) model(message []byte) (*inference.Model, error) {
	var name, version string
	err := fields(message, func(f field) error { return errors.Join(f.text(1, &name), f.text(2, &version)) })
	if err != nil {
		return nil, err
	}
	found, err := s.models.Find(name, version)
	if err != nil {
		return nil, &protocol.Failure{Status: http.StatusNotFound, Message: err.Error()}
	}
	return found, nil
}

func (s *served) serverMetadata(*http.Request, []byte) (protocol.Called, error) {
	return protocol.Called{Message: appendString(appendString(nil, 1, s.app.Name), 2, s.app.Version)}, nil
}

func (s *served) modelMetadata(_ *http.Request, message []byte) (protocol.Called, error) {
	found, err := s.model(message)
	if err != nil {
		return protocol.Called{}, err
	}
	to := appendString(nil, 1, found.Name)
	for _, version := range found.Versions {
		to = appendString(to, 2, version)
	}
	to = appendString(to, 3, inference.Platform)
	to = appendColumns(to, 4, found.Inputs)
	return protocol.Called{Message: appendColumns(to, 5, found.Outputs)}, nil
}

func appendColumns(to []byte, number protowire.Number, columns []tensors.Column) []byte {
	for i := range columns {
		column := appendString(appendString(nil, 1, columns[i].Name), 2, columns[i].Datatype)
		to = appendBytes(to, number, appendShape(column, 3, columns[i].Shape()))
	}
	return to
}
