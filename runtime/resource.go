package runtime

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
)

// instance tells this process from others of its service, for as long as it
// runs.
var instance = sync.OnceValue(uuid.NewString)

// resource is what metrics and spans say of where they come from: the app, this
// process, its host, and in Kubernetes its pod. OTEL_RESOURCE_ATTRIBUTES and
// OTEL_SERVICE_NAME go over all of it but app.name and app.version. Command
// lines are left out: they hold secrets.
func (rt *Runtime) resource() (*resource.Resource, error) {
	app := rt.cfg().App
	given := []attribute.KeyValue{}
	if app.Name != "" {
		given = append(given, semconv.ServiceName(rt.app.name))
	}
	if app.Version != "" {
		given = append(given, semconv.ServiceVersion(rt.app.version))
	}
	res, err := resource.New(context.Background(),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithOS(),
		resource.WithProcessPID(), resource.WithProcessExecutableName(), resource.WithProcessRuntimeName(), resource.WithProcessRuntimeVersion(),
		resource.WithAttributes(semconv.ServiceName(rt.app.name), semconv.ServiceVersion(rt.app.version), semconv.ServiceInstanceID(instance())),
		resource.WithAttributes(pod(os.Getenv)...),
		resource.WithFromEnv(),
		resource.WithAttributes(given...),
	)
	if err != nil && res == nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	if err != nil {
		rt.logger.Warn("the resource is not whole", "error", err)
	}
	return res, nil
}

// podVariables are what a pod's downward API is usually told to set.
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

// pod is what Kubernetes tells of a pod; nothing outside of it.
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
