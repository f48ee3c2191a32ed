package runtime

import (
	"context"
	"fmt"

	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// API is one function of a service, with its types. Other services of the same
// process call it with [API.Call].
type API[In, Out any] struct {
	api *api
	fn  func(context.Context, In) (Out, error)
}

// Handle declares an API: POST /name takes one JSON object, whose fields fill
// In, and answers what fn returns.
//
// In may be a struct (one field a parameter; struct{} for none), a map, or a
// slice or scalar, which is then the whole body. Struct tags give what JSON
// cannot: default:"…", doc:"…", minLength, maxLength, pattern, minimum,
// maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, minItems, maxItems
// and enum:"a,b". A field without a default that is no pointer and not
// omitempty is required. A request that breaks the rules is answered 400 with
// every violation named, and fn is not called.
//
// example:"…" is what OpenAPI and the form of the page at / show; it must keep
// the rules. Default: a value made from the rules, and none for a pattern. Like
// default it is JSON, or of a string the text itself.
//
// A string result is answered as text/plain, anything else as JSON. An [Error]
// carries its own status; any other error, and a panic, is answered 500 with a
// text that says nothing, and its own text goes to the log.
//
// ctx ends at traffic.timeout and when the client hangs up. fn that ignores it
// keeps its slot of traffic.max_concurrency until it returns, while the client
// has long had its 504.
//
// It is a function because Go methods have no type parameters. What is wrong
// with the declaration is reported by [New].
func Handle[In, Out any](svc *Service, name string, fn func(ctx context.Context, in In) (Out, error), opts ...APIOption) *API[In, Out] {
	a := &API[In, Out]{
		api: &api{service: svc, name: name, route: "/" + name},
		fn:  fn,
	}
	for _, opt := range opts {
		opt(a.api)
	}
	if a.api.items != "" {
		svc.fail(fmt.Errorf("service %q: API %q: runtime.Items: it takes no batches; declare it with runtime.HandleBatch, or name the parameter in its input", svc.name, name))
	}
	if a.api.sizeOf != nil {
		svc.fail(fmt.Errorf("service %q: API %q: runtime.SizeOf: it takes no batches; declare it with runtime.HandleBatch", svc.name, name))
	}
	in, err := wire.NewInput[In]()
	if err != nil {
		svc.fail(fmt.Errorf("service %q: API %q: input: %w", svc.name, name, err))
	}
	out, err := wire.NewOutput[Out]()
	if err != nil {
		svc.fail(fmt.Errorf("service %q: API %q: output: %w", svc.name, name, err))
	}
	if fn == nil {
		svc.fail(fmt.Errorf("service %q: API %q: function is nil", svc.name, name))
	}
	a.api.codec = &typedCodec[In, Out]{api: a, in: in, out: out}
	svc.declare(a.api)
	return a
}

// codec is what a request needs of a typed API: bytes in, bytes out.
type codec interface {
	// serve decodes s.body, calls the function and encodes its result into s.out.
	serve(ctx context.Context, s *scratch) error
	contentType() string
	input() *wire.Schema
	output() *wire.Schema
}

type typedCodec[In, Out any] struct {
	api *API[In, Out]
	in  *wire.Input[In]
	out *wire.Output[Out]
}

func (c *typedCodec[In, Out]) serve(ctx context.Context, s *scratch) error {
	var in In
	if err := c.in.Decode(s.body.Bytes(), &in); err != nil {
		return err
	}
	result, err := c.api.fn(ctx, in)
	if err != nil {
		return err
	}
	return c.out.Encode(&s.out, result)
}

func (c *typedCodec[In, Out]) contentType() string  { return c.out.ContentType() }
func (c *typedCodec[In, Out]) input() *wire.Schema  { return c.in.Schema() }
func (c *typedCodec[In, Out]) output() *wire.Schema { return c.out.Schema() }

// Call runs the API in process, for another service: no HTTP and no JSON, but
// counted like a request (under this service's runner_name), within its
// limits. A timeout is an [Error] with status 504, a full service one with
// 429; an error of the function is returned as it is, a panic as an error. So is
// a call before [New] has bound the service, or of one that nothing was
// declared to depend on: nobody would see it on the page.
//
// Constraints by struct tag are not applied: they guard the wire, and in is
// already typed.
func (a *API[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	var result Out
	err := a.api.callInProcess(ctx, func(ctx context.Context) (err error) {
		result, err = a.fn(ctx, in)
		return err
	})
	if err != nil {
		var none Out
		return none, err
	}
	return result, nil
}
