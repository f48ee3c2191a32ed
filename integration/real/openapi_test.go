package real

import (
	"context"
	"encoding/json"
	"flag"
	"image"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

var examples = flag.Int("examples", 60, "how many inputs TestOpenAPI and TestGeneratedInputs generate for each API")

// kinds has a field for each kind of value that a schema describes.
type kinds struct {
	I8     int8             `json:"i8"`
	I16    int16            `json:"i16"`
	I32    int32            `json:"i32"`
	I64    int64            `json:"i64"`
	U8     uint8            `json:"u8"`
	U16    uint16           `json:"u16"`
	U32    uint32           `json:"u32"`
	U64    uint64           `json:"u64"`
	F32    float32          `json:"f32"`
	F64    float64          `json:"f64"`
	Bool   bool             `json:"bool"`
	String string           `json:"string"`
	Bytes  []byte           `json:"bytes"`
	Time   time.Time        `json:"time"`
	Any    any              `json:"any"`
	Three  [3]int           `json:"three"`
	Lists  [][]int          `json:"lists"`
	Named  map[string]int   `json:"named"`
	Keyed  map[int]string   `json:"keyed"`
	Maybe  *int             `json:"maybe,omitempty"`
	Nested *formPart        `json:"nested,omitempty"`
	Parts  []formPattern    `json:"parts,omitempty"`
	Ratio  float64          `json:"ratio" minimum:"0" maximum:"1" default:"0.5"`
	Step   int              `json:"step" multipleOf:"5" minimum:"-20" default:"5"`
	Choice string           `json:"choice" enum:"a,b" default:"a"`
	Word   string           `json:"word" pattern:"^\\S+\\s\\d$" default:"a 1"`
	Sized  string           `json:"sized" minLength:"2" maxLength:"4" default:"abc"`
	Some   []int            `json:"some" minItems:"1" maxItems:"3" default:"[1]"`
	Free   map[string][]any `json:"free,omitempty"`
}

// kindAPIs has an API for each kind of input, batched ones too.
func kindAPIs(svc *runtime.App) {
	formAPIs(svc)
	echo[kinds](svc, "kinds")
	runtime.HandleBatch(svc, "numbers", func(_ context.Context, xs []float64) ([]float64, error) { return xs, nil }, runtime.Batching(batcher.Config{}))
	runtime.HandleBatch(svc, "vectors", func(_ context.Context, xs [][]int) ([][]int, error) { return xs, nil }, runtime.Batching(batcher.Config{}))
}

// fileAPIs has APIs whose bodies are not JSON, and a mount.
func fileAPIs(svc *runtime.App) {
	type upload struct {
		File  runtime.File   `json:"file"`
		Cover *runtime.File  `json:"cover"`
		Files []runtime.File `json:"files,omitempty"`
		Part  formPart       `json:"part"`
		Scale float64        `json:"scale" default:"1"`
	}
	runtime.Handle(svc, "upload", func(_ context.Context, in upload) (int64, error) { return in.File.Size(), nil })
	runtime.Handle(svc, "whole", func(_ context.Context, in runtime.File) (runtime.File, error) { return in, nil })
	runtime.Handle(svc, "bytes", func(_ context.Context, in []byte) ([]byte, error) { return in, nil }, runtime.ContentType("application/octet-stream"))
	runtime.Handle(svc, "text", func(_ context.Context, in string) (string, error) { return in, nil })
	runtime.Handle(svc, "model", func(_ context.Context, in formPart) (formPart, error) { return in, nil }, runtime.RootInput())
	runtime.Handle(svc, "draw", func(context.Context, struct{}) (image.Image, error) {
		return image.NewGray(image.Rect(0, 0, 1, 1)), nil
	})
	runtime.HandleBatch(svc, "sizes", func(_ context.Context, all []runtime.File) ([]int64, error) { return make([]int64, len(all)), nil }, runtime.Batching(batcher.Config{}))
	svc.Mount("/app", http.NotFoundHandler())
}

// documentedServices returns the addresses of the services whose documents are checked.
func documentedServices(t *testing.T) map[string]string {
	t.Helper()
	ports := [2]int{freePort(t), freePort(t)}
	startTwin(t, ports[0])
	example := command(t, "ekiben", "serve")
	example.Env = append(example.Env, "EKIBEN_HTTP__PORT="+strconv.Itoa(ports[1]), "EKIBEN_LOGGING__ACCESS__ENABLED=false")
	start(t, local(ports[1])+"/readyz", example)
	return map[string]string{"twin": local(ports[0]), "example": local(ports[1]), "kinds": serve(t, "Kinds", kindAPIs, nil)}
}

// exceptions are settings of schemathesis, whose checks are all on by default. A number
// accepts other types, as in BentoML: false is 0. schemathesis expects an error.
// /v1/score doubles 1e308 to infinity, which is not JSON: a 500. BentoML sends Infinity.
var exceptions = map[string]string{
	"twin": `[[operations]]
include-path = "/v1/score"
checks = { negative_data_rejection.enabled = false, not_a_server_error.enabled = false }
`,
	"kinds": lax,
	// A field of a form cannot have any name: control characters are not legal in a header.
	"files": lax + "[phases.fuzzing.checks]\npositive_data_acceptance.enabled = false\n",
}

const lax = `[checks]
negative_data_rejection.enabled = false
`

// TestOpenAPI checks /docs.json with three validators, and sends the requests that
// schemathesis generates from it.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	services := documentedServices(t)
	services["files"] = serve(t, "Files", fileAPIs, nil)
	for name, base := range services {
		docs := check.Value(fetch(base + "/docs.json"))(t)
		dir := filled(t, map[string]string{"docs.json": docs, "ruleset.yaml": "extends: ['spectral:oas']\n", "schemathesis.toml": exceptions[name]})
		file := filepath.Join(dir, "docs.json")
		bin, lint := filepath.Dir(need(t, "schemathesis")), filepath.Dir(need(t, "openapi"))
		for _, check := range [][]string{
			{filepath.Join(bin, "openapi-spec-validator"), file},
			{filepath.Join(lint, "redocly"), "lint", file},
			{filepath.Join(lint, "spectral"), "lint", "--fail-severity=error", "--ruleset", filepath.Join(dir, "ruleset.yaml"), file},
			{filepath.Join(bin, "schemathesis"), "run", base + "/docs.json", "--phases", "examples,coverage,fuzzing", "-n", strconv.Itoa(*examples), "--seed", "1", "--no-color"},
		} {
			t.Run(name+" "+filepath.Base(check[0]), func(t *testing.T) {
				t.Parallel()
				cmd := program(check[0], check[1:]...)
				cmd.Dir = dir
				cmd.Env = append(cmd.Env, "REDOCLY_TELEMETRY=off")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// TestGeneratedInputs sends inputs that are generated from /schema.json. The service
// must accept them, and its outputs must match their schemas.
func TestGeneratedInputs(t *testing.T) {
	t.Parallel()
	python := filepath.Join(filepath.Dir(need(t, "schemathesis")), "python")
	for name, base := range documentedServices(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var problems []string
			out, err := program(python, "testdata/generated.py", base, strconv.Itoa(*examples)).Output()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if jsonErr := json.Unmarshal([]byte(lines[len(lines)-1]), &problems); err != nil || jsonErr != nil {
				t.Fatalf("%v %v\n%s", err, jsonErr, out)
			}
			for _, problem := range problems {
				t.Error(problem)
			}
		})
	}
}
