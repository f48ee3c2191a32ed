package runtime

import (
	"mime"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/apidocs"
	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

// describe describes the app for its documents.
func (a *App) describe() apidocs.App {
	http := a.conf.Now().HTTP
	docs := apidocs.App{
		Version: a.identity.Version, Service: a.name, Prefix: http.PathPrefix,
		Bearer: !http.Auth.BearerTokens.IsZero(), Basic: !http.Auth.BasicUsers.IsZero(),
	}
	elsewhere := false // an API may pass on a 503 from another service's batch
	for _, other := range a.services[1:] {
		elsewhere = elsewhere || other.maxBatchSize() > 0
	}
	for _, one := range a.apis {
		output := one.codec.output()
		media, _, _ := mime.ParseMediaType(one.mediaType()) // valid: ContentType has checked it
		switch {
		case one.stream != nil:
			if output = output.Stream(media); one.stream.events {
				output = output.Events()
			}
		case one.contentType != "":
			output = output.Declared(media)
		}
		docs.APIs = append(docs.APIs, apidocs.API{
			Name: one.name, Route: one.route, Input: one.codec.input(), Output: output, ContentType: one.mediaType(),
			PathParams: one.pattern.Names(), Batchable: one.batch != nil, Task: one.task != nil, Sheds: one.batch != nil || elsewhere || a.hasStart(), // while it starts
		})
	}
	for _, one := range a.mounts {
		docs.Mounts = append(docs.Mounts, one.path)
	}
	return docs
}

func (a *App) homePage() ui.Page {
	cfg := a.conf.Now()
	return ui.Page{
		Name: a.identity.Name, Version: cfg.App.Version, Namespace: a.telemetry.Namespace(), Runner: a.name, Prefix: cfg.HTTP.PathPrefix, Metrics: a.whereMetrics(),
	}
}

func (a *App) whereMetrics() ui.Metrics {
	switch {
	case a.showsMetrics():
		return ui.Here
	case a.telemetry.Exporter != nil:
		return ui.Private
	case a.telemetry.On():
		return ui.Elsewhere
	}
	return ui.Off
}

// exposed lists the routes of the app, one line each.
func (a *App) exposed() []string {
	prefix := a.conf.Now().HTTP.PathPrefix
	var lines []string
	for _, one := range a.apis {
		lines = append(lines, "POST "+prefix+one.route)
		if one.task != nil {
			for _, below := range taskRoutes {
				lines = append(lines, below.method+" "+prefix+one.route+below.suffix)
			}
		}
	}
	for _, one := range a.mounts {
		lines = append(lines, "ANY "+prefix+strings.TrimSuffix(one.path, "/")+"/")
	}
	if a.conf.Now().HTTP.OpenInference {
		lines = append(lines, "ANY "+prefix+"/v2/")
	}
	if a.conf.Now().HTTP.OpenInferenceGRPC {
		lines = append(lines, "POST /inference.GRPCInferenceService/", "POST /grpc.health.v1.Health/", "POST /grpc.reflection.v1.ServerReflection/")
	}
	if a.showsMetrics() {
		lines = append(lines, "GET "+prefix+"/metrics")
	}
	for _, path := range []string{"/schema.json", "/docs.json", "/healthz", "/livez", "/readyz"} {
		lines = append(lines, "GET "+prefix+path)
	}
	return lines
}

// showsMetrics reports whether /metrics is at the public address.
func (a *App) showsMetrics() bool {
	return a.telemetry.Exporter != nil && a.conf.Now().Metrics.Public
}
