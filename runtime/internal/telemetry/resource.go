package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// instance identifies this process among the processes of its service.
var instance = sync.OnceValue(uuid.NewString)

// newResource describes the source of metrics and spans: the app, this process, its
// host, and in Kubernetes its pod. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME
// override all of it except a configured app.name and app.version. The command line
// is not included, because it may have secrets.
func newResource(configured config.App, app Identity, logger *slog.Logger) (*resource.Resource, error) {
	given := []attribute.KeyValue{}
	if configured.Name != "" {
		given = append(given, semconv.ServiceName(app.Name))
	}
	if configured.Version != "" {
		given = append(given, semconv.ServiceVersion(app.Version))
	}
	res, err := resource.New(context.Background(),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithOS(),
		resource.WithProcessPID(), resource.WithProcessExecutableName(), resource.WithProcessRuntimeName(), resource.WithProcessRuntimeVersion(),
		resource.WithAttributes(semconv.ServiceName(app.Name), semconv.ServiceVersion(app.Version), semconv.ServiceInstanceID(instance())),
		resource.WithAttributes(pod(os.Getenv)...),
		resource.WithFromEnv(),
		resource.WithAttributes(given...),
	)
	if err != nil && res == nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	if err != nil {
		logger.Warn("the OpenTelemetry resource is incomplete", "error", err)
	}
	return res, nil
}

// podVariables lists the variables that a pod's downward API usually sets.
var podVariables = []struct {
	key   attribute.Key
	names []string
}{
	{semconv.K8SPodNameKey, []string{"K8S_POD_NAME", "POD_NAME"}},
	{semconv.K8SPodUIDKey, []string{"K8S_POD_UID", "POD_UID"}},
	{semconv.K8SNamespaceNameKey, []string{"K8S_NAMESPACE_NAME", "POD_NAMESPACE"}},
	{semconv.K8SNodeNameKey, []string{"K8S_NODE_NAME", "NODE_NAME"}},
	{semconv.K8SContainerNameKey, []string{"K8S_CONTAINER_NAME", "CONTAINER_NAME"}},
}

// pod returns the attributes of the pod; none outside Kubernetes.
func pod(getenv func(string) string) (attributes []attribute.KeyValue) {
	if getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil
	}
	for _, v := range podVariables {
		for _, name := range v.names {
			if value := getenv(name); value != "" {
				attributes = append(attributes, v.key.String(value))
				break
			}
		}
	}
	return attributes
}
