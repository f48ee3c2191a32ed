package openinferencegrpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ekiben-serving/ekiben/runtime/internal/inference"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/tensors"
)

// request is a call of ModelInfer. Its elements are parts of the message.
type request struct {
	model   *inference.Model
	id      string
	inputs  []input
	outputs []string
	raw     [][]byte
}

// input is a tensor of a request.
type input struct {
	name, datatype string
	shape          []int64
	contents       [][]byte // messages of typed elements, to be read one after the other
}

// infer finds the model of a call.
func (s *served) infer(_ *http.Request, message []byte) (protocol.Called, error) {
	found, err := s.model(message)
	if err != nil {
		return protocol.Called{}, err
	}
	in := &request{model: found}
	if err := fields(message, in.read); err != nil {
		return protocol.Called{}, err
	}
	return protocol.Called{Translator: in, API: found.API}, nil
}

// read reads a field of ModelInferRequest. There are no more inputs and outputs than the model has: a
// few bytes could make many.
func (in *request) read(f field) error {
	switch {
	case f.is(5, protowire.BytesType):
		if len(in.inputs) == len(in.model.Inputs) {
			return fmt.Errorf("inputs must be at most %d tensors, found more", len(in.inputs))
		}
		in.inputs = append(in.inputs, input{shape: []int64{}})
		return fields(f.bytes, in.inputs[len(in.inputs)-1].read)
	case f.is(6, protowire.BytesType):
		if len(in.outputs) == len(in.model.Outputs) {
			return fmt.Errorf("outputs must be at most %d tensors, found more", len(in.outputs))
		}
		in.outputs = append(in.outputs, "")
		return fields(f.bytes, func(f field) error { return f.text(1, &in.outputs[len(in.outputs)-1]) })
	case f.is(7, protowire.BytesType):
		if len(in.raw) == len(in.model.Inputs) {
			return fmt.Errorf("raw_input_contents must be at most %d, found more", len(in.raw))
		}
		in.raw = append(in.raw, f.bytes)
	}
	if f.is(3, protowire.BytesType) && utf8.Valid(f.bytes) {
		in.id = string(f.bytes)
	}
	return nil
}

// mostDimensions bounds what is read of a shape; one more is enough to refuse it.
const mostDimensions = 33

func (in *input) read(f field) error {
	switch f.number {
	case 3:
		if f.kind != protowire.VarintType && f.kind != protowire.BytesType {
			return nil
		}
		return f.varints(func(n uint64) error {
			if len(in.shape) < mostDimensions {
				in.shape = append(in.shape, int64(n))
			}
			return nil
		})
	case 5:
		if f.kind == protowire.BytesType {
			if len(in.contents) == mostParts {
				return fmt.Errorf("input %q: the field contents must occur at most %d times, found more", in.name, mostParts)
			}
			in.contents = append(in.contents, f.bytes)
		}
		return nil
	}
	return errors.Join(f.text(1, &in.name), f.text(2, &in.datatype))
}

// mostParts bounds how often a message may be in another one, where one is meant: protobuf merges
// them.
const mostParts = 100

// Decode returns the body that the API takes.
func (in *request) Decode(ctx context.Context, _ http.Header, _ []byte, most int64) ([]byte, protocol.Reply, error) {
	all, wrong := in.tensors(most)
	wrong = errors.Join(wrong, in.checkOutputs())
	decoded, err := in.model.Body(ctx, all, most)
	switch {
	case errors.Is(err, tensors.ErrTooLarge), errors.Is(wrong, tensors.ErrTooLarge):
		return nil, nil, protocol.ErrTooLarge
	case err == nil || wrong == nil:
		err = errors.Join(err, wrong)
	default: // the inputs are not those of the request
		err = wrong
	}
	if err != nil {
		return nil, nil, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	to := &reply{in.model, in.id, in.outputs, len(in.raw) > 0}
	in.inputs, in.raw = nil, nil // a batch may take long
	return decoded, to, nil
}

// tensors returns the inputs with their elements.
func (in *request) tensors(most int64) (all []tensors.Input, err error) {
	if len(in.raw) > 0 && len(in.raw) != len(in.inputs) {
		return nil, fmt.Errorf("raw_input_contents must have the elements of each input or of none, found %d for %d inputs", len(in.raw), len(in.inputs))
	}
	var errs []error
	for i := range in.inputs {
		one := &in.inputs[i]
		tensor := tensors.Input{Name: one.name, Datatype: one.datatype, Shape: one.shape}
		switch {
		case len(in.raw) > 0 && one.contents != nil:
			err = errors.New("must have no contents, because the request has raw_input_contents")
		case len(in.raw) > 0:
			tensor.Raw = in.raw[i]
		default:
			tensor.Raw, err = one.elements(most)
		}
		if err != nil {
			errs, err = append(errs, fmt.Errorf("input %q: %w", one.name, err)), nil
		}
		all = append(all, tensor)
	}
	return all, errors.Join(errs...)
}

// checkOutputs returns an error if a request asks for outputs that are not there.
func (in *request) checkOutputs() error {
	var errs []error
	for _, name := range in.outputs {
		found := false
		for i := range in.model.Outputs {
			found = found || in.model.Outputs[i].Name == name
		}
		if !found {
			errs = append(errs, fmt.Errorf("output %q: must be one of %s", name, tensors.Names(in.model.Outputs)))
		}
	}
	return errors.Join(errs...)
}
