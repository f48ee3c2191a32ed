package openinferencegrpc

import (
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/inference"
)

func serverMetadata(c *call, _ *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	out := &inference.ServerMetadataResponse{}
	return out, c.ask(http.MethodGet, c.app.Prefix+"/v2", nil, nil).decode(out)
}

func modelMetadata(c *call, in *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	path, err := c.model(in.GetName(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	out := &inference.ModelMetadataResponse{}
	return out, c.ask(http.MethodGet, c.app.Prefix+path, nil, nil).decode(out)
}
