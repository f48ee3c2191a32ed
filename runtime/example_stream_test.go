package runtime_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/ekiben-serving/ekiben/runtime"
)

// A function yields the chunks of its response.
func ExampleHandleStream() {
	type Count struct {
		To int `json:"to" minimum:"0"`
	}
	app := runtime.New("Counter", runtime.WithLogger(quiet()))
	runtime.HandleStream(app, "count", func(_ context.Context, in Count) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range in.To {
				if !yield(i, nil) {
					return // the client has left, or a limit was reached
				}
			}
		}
	}, runtime.NDJSON())
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	fmt.Print(call(handler, "POST", "/count", `{"to": 3}`))
	// Output:
	// 0
	// 1
	// 2
}

// Events have ids, and a client that connects again says which was its last.
func ExampleHandleEvents() {
	type Tick struct {
		Second int `json:"second"`
	}
	app := runtime.New("Clock", runtime.WithLogger(quiet()))
	runtime.HandleEvents(app, "ticks", func(context.Context, struct{}) iter.Seq2[runtime.Event[Tick], error] {
		return func(yield func(runtime.Event[Tick], error) bool) {
			yield(runtime.Event[Tick]{ID: "1", Name: "tick", Data: Tick{1}}, nil)
		}
	}, runtime.DoneEvent("[DONE]"))
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	fmt.Print(call(handler, "POST", "/ticks", `{}`))
	// Output:
	// id: 1
	// event: tick
	// data: {"second":1}
	//
	// data: [DONE]
}
