package apidocs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/apidocs"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

type document struct {
	OpenAPI string
	Servers []struct{ URL string }
	// A rule of redocly requires this list, even if it is empty.
	Security []any
	Paths    map[string]map[string]struct {
		OperationID, Summary string
		Parameters           []any
		RequestBody          struct{ Required bool }
		Responses            map[string]struct{ Headers, Content map[string]any }
	}
}

// describe returns the document of an app with one API that takes In.
func describe[In any](t *testing.T, prefix string, change func(*apidocs.API)) document {
	t.Helper()
	in := check.Value(wire.NewInput[In]())(t)
	out := check.Value(wire.NewOutput[[]string]())(t)
	api := apidocs.API{Name: "x", Route: "/x", Input: in.Schema(), Output: out.Schema(), ContentType: "text/html; charset=utf-8"}
	if change != nil {
		change(&api)
	}
	content := check.Value(apidocs.OpenAPI(apidocs.App{Service: "Docs", Prefix: prefix, APIs: []apidocs.API{api}}))(t)
	var doc document
	check.Must(t, json.Unmarshal(content, &doc))
	return doc
}

// The responses of an API have their content types and headers.
func TestResponses(t *testing.T) {
	for sheds, want := range map[bool]string{
		false: "200 400 413 415 429 500 504",
		true:  "200 400 413 415 429 500 503,Retry-After 504",
	} {
		doc := describe[struct{}](t, "", func(a *apidocs.API) { a.Sheds = sheds })
		var got []string
		for status, response := range doc.Paths["/x"]["post"].Responses {
			contentType := "application/json"
			if status == "200" {
				contentType = "text/html"
			}
			if _, ok := response.Content[contentType]; !ok || len(response.Content) != 1 {
				t.Errorf("%s has the contents %v", status, response.Content)
			}
			for header := range response.Headers {
				status += "," + header
			}
			got = append(got, status)
		}
		slices.Sort(got)
		check.Equal(t, strings.Join(got, " "), want)
	}
}

// Every operation has a summary, a unique id, and the responses of the server.
func TestOperations(t *testing.T) {
	doc := describe[struct{}](t, "/ml", func(a *apidocs.API) { a.Name = "healthz" })
	var got []string
	for path, operations := range doc.Paths {
		for method, op := range operations {
			got = append(got, fmt.Sprintln(method, path, op.OperationID, op.Summary, slices.Sorted(maps.Keys(op.Responses))))
		}
	}
	slices.Sort(got)
	want := "get /ml/healthz healthz Liveness [200 503]\n" +
		"get /ml/livez livez Liveness [200 503]\n" +
		"get /ml/metrics metrics Metrics [200 404 500 503]\n" +
		"get /ml/readyz readyz Readiness [200 503]\n" +
		"post /ml/x Docs__healthz healthz [200 400 413 415 429 500 504]\n"
	if found := strings.Join(got, ""); found != want || doc.Security == nil || len(doc.Security) > 0 {
		t.Errorf("security %v, operations\n%s", doc.Security, found)
	}
}

// Credentials are asked for as the configuration says. The probes and /metrics need none.
func TestSecurity(t *testing.T) {
	in, out := check.Value(wire.NewInput[struct{}]())(t), check.Value(wire.NewOutput[int]())(t)
	api := apidocs.API{Name: "x", Route: "/x", Input: in.Schema(), Output: out.Schema(), ContentType: "application/json"}
	raw := check.Value(apidocs.OpenAPI(apidocs.App{Service: "Docs", Bearer: true, Basic: true, APIs: []apidocs.API{api}}))(t)
	check.Contains(t, string(raw), `"security":[{"basic":[]},{"bearer":[]}]`, `"securitySchemes":{"basic":{"scheme":"basic","type":"http"},"bearer":{"scheme":"bearer","type":"http"}}`)
	var doc struct {
		Paths map[string]map[string]struct {
			Security  *[]any
			Responses map[string]any
		}
	}
	check.Must(t, json.Unmarshal(raw, &doc))
	for path, methods := range doc.Paths {
		for _, op := range methods {
			open := op.Security != nil && len(*op.Security) == 0
			if open == (path == "/x") || (op.Responses["401"] != nil) != (path == "/x") {
				t.Errorf("%s: %+v", path, op)
			}
		}
	}
}

// A request body is required if the input has a required parameter, or is a list.
func TestRequestBody(t *testing.T) {
	for name, test := range map[string]struct {
		doc  document
		want bool
	}{
		"no parameter":       {describe[struct{}](t, "", nil), false},
		"required parameter": {describe[struct{ N int }](t, "", nil), true},
		"list":               {describe[[]int](t, "", nil), true},
	} {
		if got := test.doc.Paths["/x"]["post"].RequestBody.Required; got != test.want {
			t.Errorf("%s: required %v", name, got)
		}
	}
}

func TestPathParameters(t *testing.T) {
	doc := describe[struct{}](t, "/ml", func(a *apidocs.API) { a.Route, a.PathParams = "/{a}/x/{b}", []string{"a", "b"} })
	op := doc.Paths["/ml/{a}/x/{b}"]["post"]
	want := "Docs__x [map[in:path name:a required:true schema:map[minLength:1 type:string]] map[in:path name:b required:true schema:map[minLength:1 type:string]]]"
	check.Equal(t, fmt.Sprint(op.OperationID, " ", op.Parameters), want)
}

// The server's URL is the root of the paths, and the document has the version that its
// schemas need.
func TestServersAndVersion(t *testing.T) {
	type optional struct {
		Inner struct {
			N *int `json:"n"`
		} `json:"inner"`
	}
	type bounded struct {
		Below float64 `json:"below" exclusiveMaximum:"1"`
	}
	for prefix, docs := range map[string]map[string]document{
		"":       {"3.0.2": describe[struct{}](t, "", nil)},
		"/ml":    {"3.1.0": describe[optional](t, "/ml", nil)},
		"/ml/v1": {"3.1.0": describe[bounded](t, "/ml/v1", nil)},
	} {
		for version, doc := range docs {
			root := (&url.URL{Path: prefix + "/docs.json"}).ResolveReference(&url.URL{Path: doc.Servers[0].URL}).Path
			if doc.OpenAPI != version || len(doc.Servers) != 1 || root != "/" {
				t.Errorf("%q: OpenAPI %s, servers %v", prefix, doc.OpenAPI, doc.Servers)
			}
			want := []string{prefix + "/healthz", prefix + "/livez", prefix + "/metrics", prefix + "/readyz", prefix + "/x"}
			if got := slices.Sorted(maps.Keys(doc.Paths)); !slices.Equal(got, want) {
				t.Errorf("paths %v", got)
			}
		}
	}
}

// A task API has five more routes, each with its parameters, its responses and an id.
func TestTaskRoutes(t *testing.T) {
	doc := describe[struct {
		Text string `json:"text"`
	}](t, "/ml", func(a *apidocs.API) {
		a.Name, a.Route, a.Task, a.PathParams = "slowly", "/slowly/{a}", true, []string{"a"}
	})
	var got []string
	for path, operations := range doc.Paths {
		for method, op := range operations {
			if !strings.HasPrefix(path, "/ml/slowly/{a}/") {
				continue
			}
			if body := method == "post" && strings.HasSuffix(path, "/submit"); op.RequestBody.Required != body || len(op.Parameters) != 2 {
				t.Errorf("%s: body %v, parameters %v", path, op.RequestBody.Required, op.Parameters)
			}
			if _, ok := op.Responses["503"].Headers["Retry-After"]; !ok {
				t.Errorf("%s: no Retry-After", path)
			}
			got = append(got, strings.Join([]string{method, strings.TrimPrefix(path, "/ml/slowly/{a}/"), op.OperationID, strings.Join(slices.Sorted(maps.Keys(op.Responses)), ",")}, " "))
		}
	}
	slices.Sort(got)
	check.Equal(t, got, []string{
		"get get Docs__slowly_result 200,400,404,409,413,415,429,500,503,504",
		"get status Docs__slowly_status 200,400,404,500,503",
		"post retry Docs__slowly_retry 200,400,404,500,503",
		"post submit Docs__slowly_submit 200,400,413,415,422,500,503,504",
		"put cancel Docs__slowly_cancel 200,400,404,409,500,503",
	})
}
