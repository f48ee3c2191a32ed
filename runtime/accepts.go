package runtime

import (
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// takes returns which bodies an input takes, and applies [RootInput].
func takes[In any](a *api, in *wire.Input[In]) body.Accepts {
	if in == nil { // the declaration has an error
		return body.Accepts{}
	}
	if a.rootInput {
		a.fail("runtime.RootInput", in.Root())
	}
	accepts := body.Accepts{Forms: in.Object(), Whole: in.Schema().WholeFile()}
	if in.Schema().HasFiles() {
		accepts.IsFile = in.IsFile
	}
	return accepts
}
