package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/sse"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// StreamAPI is a declared streaming function with its types. Other services of the
// process call it with [StreamAPI.Call].
type StreamAPI[In, Out any] struct {
	api *api
	fn  func(context.Context, In) iter.Seq2[Out, error]
}

// HandleStream declares an API whose response is a stream: each value that fn yields
// is sent at once, as a chunk.
//
//	runtime.HandleStream(app, "count", func(ctx context.Context, in Count) iter.Seq2[int, error] {
//		return func(yield func(int, error) bool) {
//			for i := range in.To {
//				if !yield(i, nil) {
//					return
//				}
//			}
//		}
//	})
//
// In is as in [Handle]. A string or []byte is sent as it is, any other value as JSON,
// with nothing between two chunks, as BentoML does. [NDJSON] puts each chunk on a
// line; [HandleEvents] sends server-sent events. Content-Type is
// text/event-stream, as in BentoML; [ContentType] changes it.
//
// An error ends the stream. Before the first chunk, it is an ordinary response, as
// with [Handle]. Later, the stream is cut: on HTTP/1 its last chunk is missing, on
// HTTP/2 it is reset. The metrics count it with status 200, which was sent, and
// ekiben_stream_ended_total has the reason.
//
// traffic.timeout limits the time to the first chunk, and traffic.stream the stream
// after it. ctx ends when a limit is reached and when the client leaves; yield then
// returns false. A client that reads slowly blocks yield. The stream holds its slot of
// max_concurrency until fn returns.
func HandleStream[In, Out any](on Declarer, name string, fn func(ctx context.Context, in In) iter.Seq2[Out, error], opts ...APIOption) *StreamAPI[In, Out] {
	out, err := wire.NewOutput[Out]()
	frame, schema := func(s *scratch, chunk Out) error { return out.Encode(&s.out, chunk) }, out.Schema
	kind := &streaming{raw: err == nil && out.ContentType() != "application/json"} // a string, also a named one
	switch any(*new(Out)).(type) {
	case []byte:
		kind.raw = true
		frame = func(s *scratch, chunk Out) error { s.out.Write(any(chunk).([]byte)); return nil }
		schema = wire.Binary
	case string: // without the reflection and the allocation of Encode
		frame = func(s *scratch, chunk Out) error { s.out.WriteString(any(chunk).(string)); return nil }
	}
	return declareStream(on, name, fn, kind, frame, err, schema, opts)
}

// Event is one server-sent event of a stream.
type Event[T any] struct {
	// Data is sent as it is if it is a string or []byte, which should be UTF-8, otherwise
	// as JSON. Each of its lines is a field of its own, and the client joins them with "\n".
	Data T
	// ID is what a client sends as Last-Event-ID after it lost its connection. The method
	// LastEventID of Request returns it. "": none.
	ID string
	// Name is the type of the event. "": "message" for browsers.
	Name string
	// Retry is how long the client waits before it connects again. 0: its own default.
	// At least 1 ms, else the event is an error of the function.
	Retry time.Duration
}

// event marks the type: HandleStream would send an Event as JSON.
func (Event[T]) event() {}

// HandleEvents declares a streaming API whose chunks are server-sent events. All else
// is as with [HandleStream]. Two headers tell caches and proxies not to hold events
// back: Cache-Control: no-cache and X-Accel-Buffering: no.
func HandleEvents[In, T any](on Declarer, name string, fn func(ctx context.Context, in In) iter.Seq2[Event[T], error], opts ...APIOption) *StreamAPI[In, Event[T]] {
	out, err := wire.NewOutput[T]()
	frame := func(s *scratch, e Event[T]) error {
		fields := sse.Event{ID: e.ID, Name: e.Name, Retry: e.Retry}
		if err := fields.Check(); err != nil {
			return err
		}
		var data bytes.Buffer
		if err := out.Encode(&data, e.Data); err != nil {
			return err
		}
		sse.Write(&s.out, fields, data.Bytes())
		return nil
	}
	return declareStream(on, name, fn, &streaming{events: true, prompt: true}, frame, err, out.Schema, opts)
}

// streaming is the part of an api that only streaming APIs have.
type streaming struct {
	raw       bool                          // the chunks are strings or bytes
	events    bool                          // server-sent events
	prompt    bool                          // send the headers that keep proxies from buffering
	lines     bool                          // a line break after each chunk
	heartbeat time.Duration                 // between comments while nothing is sent; 0: none
	done      string                        // data of the last event; "": none
	failure   string                        // name of the event that tells an error; "": the stream is cut
	limits    atomic.Pointer[config.Stream] // in force
	metrics   *telemetry.Streams
}

// NDJSON sends each chunk as a line of JSON, with Content-Type application/x-ndjson.
// It is an error for chunks that are strings or bytes, and without [HandleStream].
func NDJSON() APIOption {
	return streamOption("NDJSON", false, func(a *api) {
		a.stream.lines, a.stream.prompt = true, true
		if a.contentType == "" {
			a.contentType = "application/x-ndjson"
		}
	})
}

// Heartbeat sends a comment, which clients ignore, when nothing else was sent for d
// after the first event. Proxies close connections on which nothing is sent. Default
// and meaning of 0: none. At least 1 ms. It is an error without [HandleEvents].
func Heartbeat(d time.Duration) APIOption {
	return streamOption("Heartbeat", true, func(a *api) {
		a.atLeast(time.Millisecond, "runtime.Heartbeat", d)
		a.stream.heartbeat = d
	})
}

// DoneEvent sends an event with this data after the last one of a stream that
// succeeded, such as "[DONE]" of OpenAI's protocol. Default and meaning of "": none.
// It is an error without [HandleEvents].
func DoneEvent(data string) APIOption {
	return streamOption("DoneEvent", true, func(a *api) { a.stream.done = data })
}

// ErrorEvent sends an event with this name when the function fails after the first
// event, or when the stream reaches its idle_timeout or max_duration. Its data is the
// JSON that an error response has, {"error": "…"}. The stream then ends without being
// cut, unless the client does not read. Default and meaning of "": no event, the stream
// is cut. It is an error without [HandleEvents].
func ErrorEvent(name string) APIOption {
	return streamOption("ErrorEvent", true, func(a *api) {
		if err := (sse.Event{Name: name}).Check(); err != nil {
			a.fail("runtime.ErrorEvent", err)
		}
		a.stream.failure = name
	})
}

func streamOption(name string, events bool, set func(*api)) APIOption {
	return apiOptionFunc(func(a *api) {
		needs := "HandleStream"
		if events {
			needs = "HandleEvents"
		}
		if a.stream == nil || a.stream.events != events {
			a.fail("runtime."+name, fmt.Errorf("has an effect only with runtime.%s", needs))
			return
		}
		set(a)
	})
}

// declareStream declares a streaming API. frame writes a chunk into the buffer of a
// request, and schema describes one.
func declareStream[In, Out any](on Declarer, name string, fn func(context.Context, In) iter.Seq2[Out, error], kind *streaming,
	frame func(*scratch, Out) error, outErr error, schema func() *wire.Schema, opts []APIOption,
) *StreamAPI[In, Out] {
	service := on.declarer()
	run := func(ctx context.Context, in In) iter.Seq2[Out, error] {
		if chunks := fn(ctx, in); chunks != nil {
			return chunks
		}
		return func(yield func(Out, error) bool) { yield(*new(Out), errNilSequence) }
	}
	a := &StreamAPI[In, Out]{api: &api{service: service, name: name, route: "/" + name, stream: kind}, fn: run}
	a.api.set(opts)
	in, takes := newInput[In](a.api)
	a.api.fail("output", outErr)
	if _, event := any(*new(Out)).(interface{ event() }); event && !kind.events {
		a.api.fail("output", fmt.Errorf("%T is sent as an event only with runtime.HandleEvents", *new(Out)))
	}
	if kind.raw && kind.lines {
		a.api.fail("runtime.NDJSON", fmt.Errorf("needs chunks that are sent as JSON, found %T", *new(Out)))
	}
	if fn == nil {
		a.api.fail("function", errors.New("must not be nil"))
	}
	a.api.codec = &streamCodec[In, Out]{streaming: kind, fn: run, in: in, frame: frame, schema: schema, takes: takes}
	service.declare(a.api)
	return a
}

// streamCodec decodes a request and sends what the function yields.
type streamCodec[In, Out any] struct {
	*streaming
	fn     func(context.Context, In) iter.Seq2[Out, error]
	in     *wire.Input[In]
	frame  func(*scratch, Out) error
	schema func() *wire.Schema
	takes  body.Accepts
}

func (c *streamCodec[In, Out]) serve(call *call, s *scratch) error {
	var in In
	if err := c.in.Decode(&call.ctx, s.body.Bytes(), call.files(s), &in); err != nil {
		return err
	}
	for chunk, err := range c.fn(&call.ctx, in) {
		if err == nil {
			err = c.send(call.stream, s, chunk)
		}
		if err != nil {
			call.stream.failure = err
			return err
		}
	}
	return nil
}

func (c *streamCodec[In, Out]) send(st *stream, s *scratch, chunk Out) error {
	s.out.Reset()
	if err := c.frame(s, chunk); err != nil {
		return err
	}
	if c.lines {
		s.out.WriteByte('\n')
	}
	return st.send(s.out.Bytes())
}

func (c *streamCodec[In, Out]) accepts() body.Accepts { return c.takes }
func (c *streamCodec[In, Out]) contentType() string   { return "text/event-stream; charset=utf-8" }
func (c *streamCodec[In, Out]) input() *wire.Schema   { return c.in.Schema() }
func (c *streamCodec[In, Out]) output() *wire.Schema  { return c.schema() }
