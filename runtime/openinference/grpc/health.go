package openinferencegrpc

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/grpchealth"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
)

// healthChecker says of the app, and of the inference service, what /readyz says.
type healthChecker struct{}

// Check asks the probe.
func (healthChecker) Check(ctx context.Context, of *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	c := ctx.Value(callKey{}).(*call)
	if of.Service != "" && of.Service != inferenceService && of.Service != grpchealth.HealthV1ServiceName {
		return nil, c.refuse(&protocol.Failure{Status: http.StatusNotFound, Message: fmt.Sprintf("service must be empty or %s, found %q", inferenceService, of.Service)})
	}
	ready, err := c.health("/v2/health/ready")
	if err != nil {
		return nil, err
	}
	if ready {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
}
