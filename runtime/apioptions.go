package runtime

import (
	"fmt"
	"mime"
	"time"

	"golang.org/x/net/http/httpguts"
)

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

// MaxConcurrency limits how many requests of the API run at once; further requests wait in the queue of
// the service, if traffic.max_queue gives it one, and else get a 429. The limit of the service applies
// as well. The key traffic.endpoints overrides it. Default and meaning of 0: only the limit of the
// service applies.
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
