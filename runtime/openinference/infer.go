package openinference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/tensors"
)

// headerLength is the header with the length of the JSON, behind which binary tensors are.
const headerLength = "Inference-Header-Content-Length"

// inferRequest is the JSON of a request.
type inferRequest struct {
	ID         string `json:"id"`
	Parameters struct {
		BinaryOutput bool `json:"binary_data_output"`
	} `json:"parameters"`
	Inputs []struct {
		Name       string          `json:"name"`
		Datatype   string          `json:"datatype"`
		Shape      []int64         `json:"shape"`
		Data       json.RawMessage `json:"data"`
		Parameters struct {
			BinarySize *int `json:"binary_data_size"`
		} `json:"parameters"`
	} `json:"inputs"`
	Outputs []struct {
		Name       string `json:"name"`
		Parameters struct {
			Binary *bool `json:"binary_data"`
		} `json:"parameters"`
	} `json:"outputs"`
}

// Decode returns the body that the API takes.
func (m *model) Decode(header http.Header, body []byte) ([]byte, protocol.Reply, error) {
	text, binary, err := divide(header.Get(headerLength), body)
	if err != nil {
		return nil, nil, err
	}
	var request inferRequest
	if err := json.Unmarshal(text, &request); err != nil {
		return nil, nil, fmt.Errorf("the request must be JSON as the Open Inference Protocol has it: %w", err)
	}
	inputs, err := request.inputs(binary)
	if err != nil {
		return nil, nil, err
	}
	decoded, err := m.Body(inputs)
	if err == nil {
		err = m.checkOutputs(&request)
	}
	if err != nil {
		return nil, nil, oneLine(err)
	}
	return decoded, &reply{m, &request}, nil
}

// oneLine writes joined errors on one line.
func oneLine(err error) error {
	return errors.New(string(bytes.ReplaceAll([]byte(err.Error()), []byte("\n"), []byte("; "))))
}

// divide returns the JSON of a body, and the binary tensors behind it.
func divide(length string, body []byte) (text, binary []byte, err error) {
	if length == "" {
		return body, nil, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > len(body) {
		return nil, nil, fmt.Errorf("%s must be a number of bytes up to the length of the body, %d, found %q", headerLength, len(body), length)
	}
	return body[:n], body[n:], nil
}

// inputs returns the tensors of a request.
func (r *inferRequest) inputs(binary []byte) (all []tensors.Input, err error) {
	for _, one := range r.Inputs {
		input := tensors.Input{Name: one.Name, Datatype: one.Datatype, Shape: one.Shape}
		switch size := one.Parameters.BinarySize; {
		case size != nil && one.Data != nil:
			return nil, fmt.Errorf("input %q: must have data or binary_data_size, found both", one.Name)
		case size != nil && (*size < 0 || *size > len(binary)):
			return nil, fmt.Errorf("input %q: binary_data_size must be at most the %d bytes that are left of the body, found %d", one.Name, len(binary), *size)
		case size != nil:
			input.Raw, binary = binary[:*size], binary[*size:]
		case one.Data == nil:
			return nil, fmt.Errorf("input %q: must have data or binary_data_size, found none", one.Name)
		default:
			input.JSON = []byte(one.Data)
		}
		all = append(all, input)
	}
	if len(binary) > 0 {
		return nil, fmt.Errorf("the inputs must take all binary data, found %d bytes more", len(binary))
	}
	return all, nil
}

// checkOutputs returns an error if a request asks for outputs that are not there.
func (m *model) checkOutputs(r *inferRequest) error {
	var errs []error
	for _, one := range r.Outputs {
		if !slices.ContainsFunc(m.Outputs, func(c tensors.Column) bool { return c.Name == one.Name }) {
			errs = append(errs, fmt.Errorf("output %q: must be one of %s", one.Name, tensors.Names(m.Outputs)))
		}
	}
	return errors.Join(errs...)
}

// reply is the response to a request.
type reply struct {
	model   *model
	request *inferRequest
}

// inferResponse is the JSON of a response.
type inferResponse struct {
	ModelName    string           `json:"model_name"`
	ModelVersion string           `json:"model_version,omitempty"`
	ID           string           `json:"id,omitempty"`
	Outputs      []responseOutput `json:"outputs"`
}

type responseOutput struct {
	tensorMetadata

	Parameters *binaryParameters `json:"parameters,omitempty"`
	Data       json.RawMessage   `json:"data,omitempty"`
}

type binaryParameters struct {
	BinarySize int `json:"binary_data_size"`
}

// Encode returns the body and the headers for a result.
func (r *reply) Encode(result []byte) ([]byte, map[string]string, error) {
	all, err := r.model.Results(result)
	if err != nil {
		return nil, nil, err
	}
	response := inferResponse{ModelName: r.model.name, ID: r.request.ID, Outputs: []responseOutput{}}
	if len(r.model.versions) > 0 {
		response.ModelVersion = r.model.versions[0]
	}
	var binary []byte
	for i := range all {
		one := &all[i]
		asked, raw := r.asked(one.Name)
		if !asked {
			continue
		}
		output := responseOutput{tensorMetadata: tensorMetadata{one.Name, one.Datatype, one.Shape}}
		if raw {
			bytes, err := one.Raw()
			if err != nil {
				return nil, nil, err
			}
			output.Parameters = &binaryParameters{len(bytes)}
			binary = append(binary, bytes...)
		} else {
			output.Data = json.RawMessage(one.JSON())
		}
		response.Outputs = append(response.Outputs, output)
	}
	body, err := json.Marshal(response)
	if err != nil || binary == nil {
		return body, map[string]string{"Content-Type": "application/json"}, err
	}
	header := map[string]string{"Content-Type": "application/octet-stream", headerLength: strconv.Itoa(len(body))}
	return append(body, binary...), header, nil
}

// asked reports whether the client wants an output, and whether as raw bytes. Without a list it
// wants all.
func (r *reply) asked(name string) (asked, raw bool) {
	if len(r.request.Outputs) == 0 {
		return true, r.request.Parameters.BinaryOutput
	}
	for _, one := range r.request.Outputs {
		if one.Name == name {
			if one.Parameters.Binary != nil {
				return true, *one.Parameters.Binary
			}
			return true, r.request.Parameters.BinaryOutput
		}
	}
	return false, false
}
