package scopeattr_test

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
)

func TestPublic(t *testing.T) {
	given := attribute.NewSet(scopeattr.Endpoint.String("/a"), scopeattr.MaxBatchSize.Int(4), scopeattr.Native.Bool(true),
		attribute.String("ekiben", "the prefix ends in a dot"), attribute.Int("team", 7))
	want := attribute.NewSet(attribute.String("ekiben", "the prefix ends in a dot"), attribute.Int("team", 7))
	if got := scopeattr.Public(given); !got.Equals(&want) {
		t.Errorf("got %v, want %v", got.ToSlice(), want.ToSlice())
	}
}
