package openinference

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/tensors"
)

// lengthHeader is the header with the length of the JSON, behind which binary tensors are.
const lengthHeader = "Inference-Header-Content-Length"

// inferRequest is the JSON of a request.
type inferRequest struct {
	ID         string `json:"id"`
	Parameters struct {
		BinaryOutput bool `json:"binary_data_output"`
	} `json:"parameters"`
	Inputs  bounded[requestInput]  `json:"inputs"`
	Outputs bounded[requestOutput] `json:"outputs"`
}

type requestInput struct {
	Name       string         `json:"name"`
	Datatype   string         `json:"datatype"`
	Shape      []int64        `json:"shape"`
	Data       jsontext.Value `json:"data"`
	Parameters struct {
		BinarySize *int `json:"binary_data_size"`
	} `json:"parameters"`
}

type requestOutput struct {
	Name       string `json:"name"`
	Parameters struct {
		Binary *bool `json:"binary_data"`
	} `json:"parameters"`
}

// bounded is a list of as many tensors as the model has at most: a few bytes could make many.
type bounded[T any] struct {
	list []T
	most int
	what string
}

// UnmarshalJSONFrom reads a list, and stops where it is too long.
func (b *bounded[T]) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if from.PeekKind() != '[' {
		return json.UnmarshalDecode(from, &b.list) // which says what it must be
	}
	if _, err := from.ReadToken(); err != nil {
		return err
	}
	for b.list = nil; from.PeekKind() != ']'; {
		if len(b.list) == b.most {
			return &tooManyError{b.what, b.most}
		}
		var one T
		if err := json.UnmarshalDecode(from, &one); err != nil {
			return err
		}
		b.list = append(b.list, one)
	}
	_, err := from.ReadToken()
	return err
}

// tooManyError says that a list has more tensors than the model.
type tooManyError struct {
	what string
	most int
}

func (e *tooManyError) Error() string {
	return fmt.Sprintf("%s must be at most %d tensors, found more", e.what, e.most)
}

// Decode returns the body that the API takes.
func (m *model) Decode(ctx context.Context, header http.Header, body []byte, most int64) ([]byte, protocol.Reply, error) {
	text, binary, err := divide(header.Get(lengthHeader), body)
	if err != nil {
		return nil, nil, err
	}
	request := inferRequest{Inputs: bounded[requestInput]{most: len(m.Inputs), what: "inputs"}, Outputs: bounded[requestOutput]{most: len(m.Outputs), what: "outputs"}}
	if err := json.Unmarshal(text, &request, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, nil, oneLine(notARequest(err))
	}
	inputs, wrong := request.inputs(binary)
	wrong = errors.Join(wrong, m.checkOutputs(&request))
	decoded, err := m.Body(ctx, inputs, most)
	switch {
	case errors.Is(err, tensors.ErrTooLarge):
		return nil, nil, protocol.ErrTooLarge
	case err == nil || wrong == nil:
		err = errors.Join(err, wrong)
	default: // the inputs are not those of the request
		err = wrong
	}
	if err != nil {
		return nil, nil, oneLine(err)
	}
	request.Inputs.list = nil // a batch may take long
	return decoded, &reply{m, &request}, nil
}

// notARequest says what of a JSON is not as the protocol has it.
func notARequest(err error) error {
	if many := (*tooManyError)(nil); errors.As(err, &many) {
		return many
	}
	wrong := (*json.SemanticError)(nil)
	if !errors.As(err, &wrong) || wrong.GoType == nil {
		return fmt.Errorf("the request must be JSON as the Open Inference Protocol has it: %w", err)
	}
	want := map[reflect.Kind]string{reflect.Struct: "an object", reflect.Slice: "a list", reflect.String: "a string", reflect.Bool: "true or false"}[wrong.GoType.Kind()]
	found := map[jsontext.Kind]string{'{': "an object", '[': "a list", '"': "a string", '0': "a number", 't': "true", 'f': "false"}[wrong.JSONKind]
	return fmt.Errorf("%s must be %s, found %s", cmp.Or(string(wrong.JSONPointer), "the request"), cmp.Or(want, "a whole number"), found)
}

// oneLine writes joined errors on one line.
func oneLine(err error) error { return errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")) }

// divide returns the JSON of a body, and the binary tensors behind it.
func divide(length string, body []byte) (text, binary []byte, err error) {
	if length == "" {
		return body, nil, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > len(body) {
		return nil, nil, fmt.Errorf("%s must be a number of bytes up to the length of the body, %d, found %q", lengthHeader, len(body), length)
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("%s must not be 0: only the JSON part says what the tensors are", lengthHeader)
	}
	return body[:n], body[n:], nil
}

// inputs returns the tensors of a request.
func (r *inferRequest) inputs(binary []byte) (all []tensors.Input, err error) {
	var errs []error
	for i := range r.Inputs.list {
		one := &r.Inputs.list[i]
		if len(one.Name) > mostName {
			errs = append(errs, fmt.Errorf("input %d: name must be at most %d bytes, found %d", i, mostName, len(one.Name)))
			one.Name = one.Name[:mostName]
		}
		if one.Data.Kind() == 'n' { // null is none
			one.Data = nil
		}
		if one.Shape == nil {
			errs = append(errs, fmt.Errorf("input %q: must have a shape, such as [1]", one.Name))
		}
		input := tensors.Input{Name: one.Name, Datatype: one.Datatype, Shape: one.Shape}
		switch size := one.Parameters.BinarySize; {
		case size != nil && one.Data != nil:
			errs = append(errs, fmt.Errorf("input %q: must have data or binary_data_size, found both", one.Name))
		case size != nil && (*size < 0 || *size > len(binary)):
			errs = append(errs, fmt.Errorf("input %q: binary_data_size must be at most the %d bytes that are left of the body, found %d", one.Name, len(binary), *size))
		case size != nil:
			input.Raw, binary = binary[:*size], binary[*size:]
		case one.Data == nil:
			errs = append(errs, fmt.Errorf("input %q: must have data or binary_data_size, found none", one.Name))
		default:
			input.JSON = one.Data
		}
		all = append(all, input)
		if len(errs) >= mostErrors {
			break
		}
	}
	if len(binary) > 0 && errs == nil {
		errs = append(errs, fmt.Errorf("the inputs must take all binary data, found %d bytes more", len(binary)))
	}
	return all, errors.Join(errs...)
}

// checkOutputs returns an error if a request asks for outputs that are not there.
func (m *model) checkOutputs(r *inferRequest) error {
	var errs []error
	for _, one := range r.Outputs.list {
		if !slices.ContainsFunc(m.Outputs, func(c tensors.Column) bool { return c.Name == one.Name }) {
			errs = append(errs, fmt.Errorf("output %.50q: must be one of %s", one.Name, tensors.Names(m.Outputs)))
		}
	}
	return errors.Join(errs...)
}

// mostName bounds the name of a tensor, in bytes: errors repeat it.
const mostName = 256

// mostErrors bounds what is said of the inputs of one request.
const mostErrors = 10

// reply is the response to a request.
type reply struct {
	model   *model
	request *inferRequest
}

// inferResponse is the JSON of a response.
type inferResponse struct {
	ModelName    string           `json:"model_name"`
	ModelVersion string           `json:"model_version,omitzero"`
	ID           string           `json:"id,omitzero"`
	Outputs      []responseOutput `json:"outputs"`
}

type responseOutput struct {
	tensorMetadata

	Parameters *binaryParameters `json:"parameters,omitzero"`
	Data       jsontext.Value    `json:"data,omitzero"`
}

type binaryParameters struct {
	BinarySize int `json:"binary_data_size"`
}

// Encode returns the body and the headers for a result.
func (r *reply) Encode(result []byte) ([]byte, map[string]string, error) {
	all, err := r.model.Results(result, func(name string) bool { asked, _ := r.asked(name); return asked })
	if err != nil {
		return nil, nil, err
	}
	response := inferResponse{ModelName: r.model.Name, ID: r.request.ID, Outputs: []responseOutput{}}
	if len(r.model.Versions) > 0 {
		response.ModelVersion = r.model.Versions[0]
	}
	var binary []byte
	for i := range all {
		one := &all[i]
		_, raw := r.asked(one.Name)
		output := responseOutput{tensorMetadata: tensorMetadata{one.Name, one.Datatype, one.Shape}}
		if raw {
			bytes, err := one.Raw()
			if err != nil {
				return nil, nil, err
			}
			output.Parameters = &binaryParameters{len(bytes)}
			binary = append(binary, bytes...)
		} else {
			output.Data = one.JSON()
		}
		response.Outputs = append(response.Outputs, output)
	}
	body, err := json.Marshal(response)
	if err != nil || binary == nil {
		return body, map[string]string{"Content-Type": "application/json"}, err
	}
	header := map[string]string{"Content-Type": "application/octet-stream", lengthHeader: strconv.Itoa(len(body))}
	return append(body, binary...), header, nil
}

// asked reports whether the client wants an output, and whether as raw bytes. Without a list it
// wants all.
func (r *reply) asked(name string) (asked, raw bool) {
	if len(r.request.Outputs.list) == 0 {
		return true, r.request.Parameters.BinaryOutput
	}
	for _, one := range r.request.Outputs.list {
		if one.Name == name {
			if one.Parameters.Binary != nil {
				return true, *one.Parameters.Binary
			}
			return true, r.request.Parameters.BinaryOutput
		}
	}
	return false, false
}
