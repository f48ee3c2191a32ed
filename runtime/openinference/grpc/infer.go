package openinferencegrpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/inference"
)

// lengthHeader is the header with the length of the JSON, behind which raw elements are.
const lengthHeader = "Inference-Header-Content-Length"

// The JSON of a request and of a response, as package openinference has it.
type (
	inferRequest struct {
		ID         string          `json:"id,omitempty"`
		Parameters map[string]bool `json:"parameters"`
		Inputs     []inputTensor   `json:"inputs"`
		Outputs    []outputTensor  `json:"outputs,omitempty"`
	}
	inferResponse struct {
		ModelName    string         `json:"model_name"`
		ModelVersion string         `json:"model_version"`
		ID           string         `json:"id"`
		Outputs      []outputTensor `json:"outputs"`
	}
	inputTensor struct {
		Name       string      `json:"name"`
		Datatype   string      `json:"datatype"`
		Shape      []int64     `json:"shape"`
		Parameters *parameters `json:"parameters,omitempty"`
		Data       any         `json:"data,omitempty"`
	}
	outputTensor struct {
		Name       string      `json:"name"`
		Datatype   string      `json:"datatype,omitempty"`
		Shape      []int64     `json:"shape,omitempty"`
		Parameters *parameters `json:"parameters,omitempty"`
	}
	parameters struct {
		Size int `json:"binary_data_size"`
	}
)

func infer(c *call, in *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	path, err := c.model(in.GetModelName(), in.GetModelVersion())
	if err != nil {
		return nil, err
	}
	text, raw, err := requestOf(in)
	if err != nil {
		return nil, c.refuse(&protocol.Failure{Status: http.StatusBadRequest, Message: strings.ReplaceAll(err.Error(), "\n", "; ")})
	}
	header := map[string]string{"Content-Type": "application/octet-stream", lengthHeader: strconv.Itoa(len(text))}
	got := c.ask(http.MethodPost, c.app.Prefix+path+"/infer", header, append(text, raw...))
	if got.status != http.StatusOK {
		return nil, got.err()
	}
	out, err := responseOf(got, len(in.GetRawInputContents()) > 0)
	if err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	return out, nil
}

// mostErrors bounds what is said of the inputs of one request.
const mostErrors = 10

// requestOf returns the JSON of a request, and the raw elements behind it.
func requestOf(in *inference.ModelInferRequest) (text, raw []byte, err error) {
	request := inferRequest{ID: in.GetId(), Parameters: map[string]bool{"binary_data_output": true}}
	isRaw := len(in.GetRawInputContents()) > 0
	if isRaw && len(in.GetRawInputContents()) != len(in.GetInputs()) {
		return nil, nil, fmt.Errorf("raw_input_contents must have the elements of each input or of none, found %d for %d inputs", len(in.GetRawInputContents()), len(in.GetInputs()))
	}
	var errs []error
	for i, one := range in.GetInputs() {
		tensor := inputTensor{Name: one.GetName(), Datatype: one.GetDatatype(), Shape: append([]int64{}, one.GetShape()...)}
		content := []byte(nil)
		switch {
		case isRaw && one.GetContents() != nil:
			err = errors.New("must have no contents, because the request has raw_input_contents")
		case isRaw:
			content = in.GetRawInputContents()[i]
		default:
			tensor.Data, content, err = elements(one.GetContents(), one.GetDatatype(), one.GetShape())
		}
		if err != nil {
			errs, err = append(errs, fmt.Errorf("input %q: %w", one.GetName(), err)), nil
		}
		if tensor.Data == nil {
			tensor.Parameters, raw = &parameters{len(content)}, append(raw, content...)
		}
		request.Inputs = append(request.Inputs, tensor)
		if len(errs) == mostErrors {
			break
		}
	}
	for _, one := range in.GetOutputs() {
		request.Outputs = append(request.Outputs, outputTensor{Name: one.GetName()})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	if text, err = json.Marshal(request); err != nil {
		return nil, nil, fmt.Errorf("contents: %w", err)
	}
	return text, raw, nil
}

// responseOf makes the message of a response. Its elements are raw, or in the fields of their datatypes.
func responseOf(got *answer, raw bool) (*inference.ModelInferResponse, error) {
	text, rest := got.body.Bytes(), []byte(nil)
	if length := got.header.Get(lengthHeader); length != "" {
		n, err := strconv.Atoi(length)
		if err != nil {
			return nil, err
		}
		text, rest = text[:n], text[n:]
	}
	var from inferResponse
	if err := json.Unmarshal(text, &from); err != nil {
		return nil, err
	}
	out := &inference.ModelInferResponse{ModelName: from.ModelName, ModelVersion: from.ModelVersion, Id: from.ID}
	for _, one := range from.Outputs {
		tensor := &inference.ModelInferResponse_InferOutputTensor{Name: one.Name, Datatype: one.Datatype, Shape: one.Shape}
		content := rest[:one.Parameters.Size]
		rest = rest[one.Parameters.Size:]
		if raw {
			out.RawOutputContents = append(out.RawOutputContents, content)
		} else {
			tensor.Contents = contents(one.Datatype, content)
		}
		out.Outputs = append(out.Outputs, tensor)
	}
	return out, nil
}
