package runtime

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// Generation tells the metrics which model a request used, and how many tokens. With
// gen_ai in metrics.conventions, a request whose function has called one of its methods
// is recorded when it ends, see docs/streams.md. Its methods return the Generation and
// are safe for concurrent use. Those of a nil Generation, and those after the request
// has ended, have no effect.
type Generation struct {
	mu   sync.Mutex
	used bool // a method was called
	over bool // the request has ended
	is   telemetry.Generation
}

// GenAI returns the Generation of a function's context, or of a context derived from it:
//
//	runtime.GenAI(ctx).Model("gemma-3-4b").Tokens(prompt, generated)
//
// Each call in process and each run of a task has its own. It returns nil without such a
// context, in a batch function, which has several requests (see batcher.ItemContext), and if
// metrics.conventions lacks gen_ai.
func GenAI(ctx context.Context) *Generation {
	g, _ := ctx.Value(genAIKey{}).(*Generation)
	return g
}

type genAIKey struct{}

// Model sets gen_ai.request.model. An app has at most 100 combinations of model,
// operation and provider; further ones are recorded as "_OTHER", and so is a name of more
// than 256 bytes. Default: no such attribute.
func (g *Generation) Model(name string) *Generation {
	return g.tell(func(is *telemetry.Generation) { is.Model = name })
}

// Operation sets gen_ai.operation.name, such as "text_completion" or "embeddings".
// Default: "chat".
func (g *Generation) Operation(name string) *Generation {
	return g.tell(func(is *telemetry.Generation) { is.Operation = name })
}

// Provider sets gen_ai.provider.name, such as "openai" for a function that calls
// OpenAI. Default: "ekiben".
func (g *Generation) Provider(name string) *Generation {
	return g.tell(func(is *telemetry.Generation) { is.Provider = name })
}

// Tokens sets how many tokens the request has used: those of the prompt, and those that
// were generated. The last call counts, so a streaming function may call it with each
// chunk. Numbers below 1 are not recorded.
func (g *Generation) Tokens(input, output int) *Generation {
	return g.tell(func(is *telemetry.Generation) { is.Input, is.Output = int64(input), int64(output) })
}

func (g *Generation) tell(set func(*telemetry.Generation)) *Generation {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.used = true
		set(&g.is)
	}
	return g
}

// end records the request, if its function has told anything. failure is its
// error.type; "": it succeeded. first is the time to the first chunk; negative: no stream.
func (g *Generation) end(ctx context.Context, to *telemetry.GenAI, took, first time.Duration, failure string) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over = true; g.used {
		g.is.Took, g.is.First, g.is.Error = took, first, failure
		to.Record(ctx, g.is)
	}
}

// generation is the Generation of a request, made when a function asks for it.
type generation struct{ atomic.Pointer[Generation] }

func (g *generation) get(to *telemetry.GenAI) *Generation {
	if to == nil {
		return nil
	}
	if made := g.Load(); made != nil {
		return made
	}
	g.CompareAndSwap(nil, &Generation{})
	return g.Load()
}

// failureOf returns the error.type of a request: why its stream ended, or else its
// status.
func failureOf(status int, end telemetry.StreamEnd) string {
	switch {
	case end == telemetry.StreamCompleted:
		return ""
	case end != "":
		return string(end)
	case status >= 400:
		return strconv.Itoa(status)
	}
	return ""
}
