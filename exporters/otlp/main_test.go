package otlp_test

import (
	"testing"

	"go.uber.org/goleak"

	_ "github.com/ekiben-serving/ekiben/exporters/otlp/grpc" // the tests use both protocols
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
