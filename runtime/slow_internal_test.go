package runtime

import (
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// Without slow.objective, a call of a batchable API has the same context, and allocates nothing
// for its wait.
func TestUnwatchedBatch(t *testing.T) {
	ctx := t.Context()
	check.Equal(t, testing.AllocsPerRun(100, func() {
		same, wait := awaitBatch(ctx, nil)
		wait.End()
		check.Equal(t, same == ctx, true)
	}), 0)
}
