package otlp_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A program that does not import exporters/otlp/grpc does not link gRPC, even if it
// pushes metrics and spans.
func TestGRPCIsNotLinked(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "../../runtime").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range strings.Fields(string(out)) {
		for _, unwanted := range []string{"google.golang.org/grpc", "google.golang.org/genproto", "github.com/grpc-ecosystem/"} {
			if strings.HasPrefix(path, unwanted) {
				t.Errorf("%s is linked", path)
			}
		}
	}
}
