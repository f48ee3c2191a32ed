package runtime

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"time"

	"golang.org/x/net/http/httpguts"

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
	in, err := wire.NewInput[In](attachments...)
	a.api.fail("input", err)
	out, err := wire.NewOutput[Out](attachments...)
	a.api.fail("output", err)
	if err == nil {
		a.api.fail("runtime.ContentType", checkResultType(a.api.contentType, out.ContentType()))
	}
	if fn == nil {
		a.api.fail("function", errors.New("must not be nil"))
	}
	a.api.codec = &typedCodec[In, Out]{api: a, in: in, out: out, encode: encoder(a.api, out), takes: takes(a.api, in)}
	a.api.service.declare(a.api)
	return a
}

// Route sets the path of an API, and with it the metrics label endpoint.
// Default: the API's name after a slash.
//
// A segment {name} matches any one segment except ".", ".." and one with an
// escaped slash. The function reads the segment with [Request.PathValue]. The
// label endpoint keeps the braces. A route must begin with a slash, must be clean
// (see [path.Clean]), and must not contain a space, a control character, '%', '?',
// '#', '*', '<' or '>', nor a segment such as :id. Two APIs of one service cannot have
// the same route, and the routes of the runtime are reserved.
func Route(route string) APIOption { return apiOptionFunc(func(a *api) { a.route = route }) }

// Timeout limits the duration of a request of the API. It overrides
// traffic.timeout of the service; the key traffic.endpoints overrides it. Default:
// the timeout of the service. 0: no timeout. At least 1 ms.
func Timeout(d time.Duration) APIOption {
	return apiOptionFunc(func(a *api) {
		a.atLeast(time.Millisecond, "runtime.Timeout", d)
		a.timeout = &d
	})
}

// MaxConcurrency limits how many requests of the API run at once; further requests wait in the
// queue of the service, if traffic.max_queue gives it one, and else get a 429. The limit of the
// service applies as well. The key traffic.endpoints overrides it. Default and meaning of 0: only the limit of the service applies.
func MaxConcurrency(n int) APIOption {
	return apiOptionFunc(func(a *api) {
		if n < 0 {
			a.fail("runtime.MaxConcurrency", fmt.Errorf("must not be negative, found %d", n))
		}
		a.maxConcurrency = n
	})
}

// ContentType sets the Content-Type of successful responses. Default and meaning of "":
// "text/plain; charset=utf-8" for a string or []byte, that of the content for a [File] or an
// image, "application/json" for anything else. The body is not changed, so a result in JSON
// can only be declared as JSON or text.
func ContentType(mediaType string) APIOption {
	return apiOptionFunc(func(a *api) {
		if _, _, err := mime.ParseMediaType(mediaType); err != nil && mediaType != "" {
			a.fail("runtime.ContentType", fmt.Errorf(`must be a media type such as "text/html", found %q: %w`, mediaType, err))
		} else if !httpguts.ValidHeaderFieldValue(mediaType) {
			a.fail("runtime.ContentType", fmt.Errorf("must not have control characters except tabs, found %q", mediaType))
		}
		a.contentType = mediaType
	})
}

// RootInput publishes an input that is a struct as the whole body: /schema.json and errors
// have its name, as for the only positional parameter of a BentoML API. BentoML's client
// then takes it as its only argument. The body is the same JSON object. For an input that
// is not a struct type with a name, it is an error.
func RootInput() APIOption { return apiOptionFunc(func(a *api) { a.rootInput = true }) }

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
