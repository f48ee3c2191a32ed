package runtime_test

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The document's addresses lead to the APIs, behind a prefix too, and its version
// is one in which its schemas are legal.
func TestDocsLeadToTheAPIs(t *testing.T) {
	type optional struct {
		Inner struct {
			N *int `json:"n"`
		} `json:"inner"`
	}
	type bounded struct {
		Share []float64 `json:"share"`
		Below float64   `json:"below" exclusiveMaximum:"1"`
	}
	for prefix, want := range map[string]string{"": "3.0.2", "/ml": "3.1.0", "/ml/v1": "3.1.0"} {
		svc := runtime.NewService("Docs")
		switch prefix {
		case "/ml":
			runtime.Handle(svc, "x", func(context.Context, optional) (int, error) { return 1, nil })
		case "/ml/v1":
			runtime.Handle(svc, "x", func(context.Context, bounded) (int, error) { return 1, nil })
		default:
			runtime.Handle(svc, "x", func(context.Context, struct{}) (int, error) { return 1, nil })
		}
		s := serve(t, svc, settings(func(c *config.Config) { c.HTTP.PathPrefix = prefix }))
		var docs struct {
			OpenAPI string `json:"openapi"`
			Servers []struct {
				URL string `json:"url"`
			} `json:"servers"`
			Paths map[string]map[string]struct {
				Responses map[string]any `json:"responses"`
			} `json:"paths"`
		}
		if err := json.Unmarshal([]byte(s.do("GET", prefix+"/docs.json", "").body), &docs); err != nil || len(docs.Servers) != 1 {
			t.Fatalf("%v: %v", err, docs)
		}
		if docs.OpenAPI != want {
			t.Errorf("%s: OpenAPI %s, want %s", prefix, docs.OpenAPI, want)
		}
		document, root := &url.URL{Path: prefix + "/docs.json"}, &url.URL{Path: docs.Servers[0].URL}
		if got := document.ResolveReference(root).Path; got != "/" {
			t.Errorf("%s: the paths are below %s", prefix, got)
		}
		for path, operations := range docs.Paths {
			for method := range operations {
				if got := s.do(map[string]string{"get": "GET", "post": "POST"}[method], path, `{"inner":{},"share":[],"below":0}`).status; got != 200 {
					t.Errorf("%s %s: %d", method, path, got)
				}
			}
		}
		if docs.Paths[prefix+"/readyz"]["get"].Responses["503"] == nil {
			t.Error("nothing says that /readyz may answer 503")
		}
	}
}

// A call that is made after its caller's deadline is no success: nobody hung up.
func TestCallsAfterTheDeadlineAreTimeouts(t *testing.T) {
	encoder := runtime.NewService("Encoder")
	encode := runtime.Handle(encoder, "encode", func(ctx context.Context, _ struct{}) (int, error) { return 1, ctx.Err() })
	front := runtime.NewService("Front")
	front.DependsOn(encoder)
	called := make(chan error, 1)
	runtime.Handle(front, "count", func(ctx context.Context, _ struct{}) (int, error) {
		<-ctx.Done()
		_, err := encode.Call(ctx, struct{}{})
		called <- err
		return 0, err
	})
	s := serve(t, front, settings(func(c *config.Config) { c.Traffic.Timeout = 20 * time.Millisecond }))
	for range 20 {
		s.post("/count", "{}").want(t, 504, `{"error":"Not able to process the request in 0.02 seconds"}`)
		if err := <-called; err == nil {
			t.Fatal("it was called")
		}
	}
	eventually(t, "20 timeouts", func() bool {
		return s.samples("request_total", `runner_name="Encoder"`, `"504"`) == `bentoml_service_request_total{endpoint="/encode",http_response_code="504"} 20.0`+"\n"
	})
}
