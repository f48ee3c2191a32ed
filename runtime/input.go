package runtime

import (
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// newInput returns the input of an API, and which bodies it takes.
func newInput[In any](a *api) (*wire.Input[In], body.Accepts) {
	in, err := wire.NewInput[In](attachments...)
	if err != nil {
		a.fail("input", err)
		return nil, body.Accepts{}
	}
	if a.rootInput {
		a.fail("runtime.RootInput", in.Root())
	}
	accepts := body.Accepts{Forms: in.Object(), Whole: in.Schema().WholeFile()}
	if in.Schema().HasFiles() {
		accepts.IsFile = in.IsFile
	}
	return in, accepts
}
