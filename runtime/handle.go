package runtime

import (
	"context"
	"errors"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// API is a declared function with its types. Other services of the process call it
// with [API.Call].
type API[In, Out any] struct {
	api *api
	fn  func(context.Context, In) (Out, error)
}

// Handle declares an API: POST /name takes one JSON object, whose fields fill
// In, and responds with what fn returns.
//
// In may be a struct (each field is a parameter; struct{} has none) or a map. It
// may also be a slice or scalar, which is then the whole body: a string or []byte as
// it is, any other value as JSON. A [File] or an image is a file of a form, or the
// whole body. Struct tags give
// rules and documentation: default:"…", doc:"…", example:"…", minLength,
// maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
// multipleOf, minItems, maxItems and enum:"a,b". A field is required unless it has
// a default, is a pointer, or is tagged omitempty or omitzero. A request that breaks a rule
// gets a 400 that names every violation, and fn is not called.
//
// /docs.json and the form of the home page show the value of the tag example. It
// must satisfy the other rules. Default: a value made from the rules, none for a
// pattern. The values of example and default are JSON, or for a string the string
// itself.
//
// A string or []byte is sent as it is, as text/plain; a [File] or an image as a file; any
// other result as JSON. An [Error] is sent
// with its status. Any other error, or a panic, becomes a 500 without details; the
// details are logged.
//
// ctx ends at the timeout and when the client hangs up. If fn ignores it, the
// client still gets the 504 at the timeout, but fn keeps its slot of
// max_concurrency until it returns.
//
// [App.Run] returns the errors of a declaration. Handle is a function because Go
// methods have no type parameters.
func Handle[In, Out any](on Declarer, name string, fn func(ctx context.Context, in In) (Out, error), opts ...APIOption) *API[In, Out] {
	a := &API[In, Out]{api: newAPI(on.declarer(), name, opts), fn: fn}
	in, takes := newInput[In](a.api)
	out, err := wire.NewOutput[Out](attachments...)
	a.api.fail("output", err)
	if err == nil {
		a.api.fail("runtime.ContentType", checkResultType(a.api.contentType, out.ContentType()))
	}
	if fn == nil {
		a.api.fail("function", errors.New("must not be nil"))
	}
	a.api.codec = &typedCodec[In, Out]{api: a, in: in, out: out, encode: encoder(a.api, out), takes: takes}
	a.api.service.declare(a.api)
	return a
}

// typedCodec decodes one input, and encodes one result.
type typedCodec[In, Out any] struct {
	api    *API[In, Out]
	in     *wire.Input[In]
	out    *wire.Output[Out]
	encode func(*scratch, Out) error
	takes  body.Accepts
}

func (c *typedCodec[In, Out]) serve(call *call, s *scratch) error {
	var in In
	if err := c.in.Decode(&call.ctx, s.body.Bytes(), call.files(s), &in); err != nil {
		return err
	}
	result, err := c.api.fn(&call.ctx, in)
	if err != nil {
		return err
	}
	return c.encode(s, result)
}

func (c *typedCodec[In, Out]) accepts() body.Accepts { return c.takes }
func (c *typedCodec[In, Out]) contentType() string   { return c.out.ContentType() }
func (c *typedCodec[In, Out]) input() *wire.Schema   { return c.in.Schema() }
func (c *typedCodec[In, Out]) output() *wire.Schema  { return c.out.Schema() }
