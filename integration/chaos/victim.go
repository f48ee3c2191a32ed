package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"os"
	"os/signal"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

// childConfig is the variable with the configuration file of a child process. The child has its
// two listeners as files: the app's, and that of control.
const childConfig = "CHAOS_CONFIG"

// victim is the app that obeys the faults in its inputs.
type victim struct {
	items atomic.Int64 // that batch functions got
}

// order is the input of most functions: what to do, and the nonce to return.
type order struct {
	Nonce string `json:"nonce"`
	Fault string `json:"fault" default:"\"\""`
	Ms    int    `json:"ms" default:"0"`
	Size  int    `json:"size" default:"0"`
}

// reply is the result of most functions.
type reply struct {
	Nonce string `json:"nonce"`
	Pad   string `json:"pad,omitempty"`
}

// serve is the child process. It ends after SIGTERM.
func serve() error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	tell, err := net.FileListener(os.NewFile(4, "control"))
	if err != nil {
		return err
	}
	v := &victim{}
	app := v.app()
	if err := limitFiles(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: v.control(app), ReadHeaderTimeout: time.Minute}
	server.SetKeepAlivesEnabled(false)
	go func() { _ = server.Serve(tell) }() // until the process ends
	return app.Serve(ctx, listener)
}

func (v *victim) app() *runtime.App {
	source := config.Source{File: os.Getenv(childConfig)}
	app := runtime.New("Victim", runtime.WithSource(source))
	runtime.Handle(app, "plain", obey, runtime.Route("/plain/{nonce}"))
	runtime.Handle(app, "slow", obey, runtime.Route("/slow/{nonce}"), runtime.Timeout(slowLimit))
	runtime.Handle(app, "file", file, runtime.Route("/file/{nonce}"))
	runtime.Handle(app, "upload", upload, runtime.Route("/upload/{nonce}"))
	runtime.HandleStream(app, "stream", stream, runtime.Route("/stream/{nonce}"), runtime.NDJSON())
	runtime.HandleEvents(app, "events", events, runtime.Route("/events/{nonce}"), runtime.DoneEvent("[DONE]"))
	runtime.HandleBatch(app, "batch", v.batch, runtime.Route("/batch/{nonce}"))
	runtime.HandleBatch(app, "mad", v.batch, runtime.Route("/mad/{nonce}"), runtime.Timeout(slowLimit))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{nonce}", mounted)
	mux.Handle("GET /ws/{nonce}", websocket.Handler(socket))
	app.Mount("/app", mux)
	app.Mount("/any", http.HandlerFunc(labelled), runtime.MountPattern(func(r *http.Request) string { return r.URL.Query().Get("label") }))
	return app
}

// slowLimit is the timeout of the endpoints whose functions are slow.
const slowLimit = 150 * time.Millisecond

func obey(ctx context.Context, in order) (reply, error) {
	out := reply{Nonce: in.Nonce, Pad: strings.Repeat("x", in.Size)}
	switch in.Fault {
	case "error":
		return out, errors.New("an error without details")
	case "refuse":
		return out, runtime.Errorf(http.StatusUnprocessableEntity, "refused %s", in.Nonce)
	case "panic":
		panic("on purpose")
	case "goexit":
		goruntime.Goexit()
	case "abort":
		panic(http.ErrAbortHandler)
	case "slow":
		select {
		case <-time.After(time.Duration(in.Ms) * time.Millisecond):
		case <-ctx.Done():
			return out, ctx.Err()
		}
	case "deaf":
		time.Sleep(time.Duration(in.Ms) * time.Millisecond)
	}
	return out, nil
}

func file(_ context.Context, in order) (runtime.File, error) {
	return runtime.NewFile(in.Nonce+".txt", "text/plain", []byte(in.Nonce+strings.Repeat("x", in.Size))), nil
}

type form struct {
	Nonce string       `json:"nonce"`
	File  runtime.File `json:"file"`
}

func upload(_ context.Context, in form) (reply, error) {
	if got := in.File.Name(); got != in.Nonce {
		return reply{}, fmt.Errorf("the file of %s is that of %s", in.Nonce, got)
	}
	return reply{Nonce: in.Nonce}, nil
}

// stream yields in.Size chunks with a pause of in.Ms, and the fault before the last one.
func stream(ctx context.Context, in order) iter.Seq2[reply, error] {
	return func(yield func(reply, error) bool) {
		for i := range in.Size {
			if i == in.Size-1 && in.Fault != "" {
				if _, err := obey(ctx, in); err != nil {
					yield(reply{}, err)
					return
				}
			}
			if in.Ms > 0 && in.Fault == "" {
				time.Sleep(time.Duration(in.Ms) * time.Millisecond)
			}
			if !yield(reply{Nonce: in.Nonce}, nil) {
				return
			}
		}
	}
}

// events is stream with each chunk as an event.
func events(ctx context.Context, in order) iter.Seq2[runtime.Event[reply], error] {
	return func(yield func(runtime.Event[reply], error) bool) {
		for chunk, err := range stream(ctx, in) {
			if !yield(runtime.Event[reply]{Data: chunk}, err) {
				return
			}
		}
	}
}

// batch obeys the faults of its items. Those that concern the whole batch are sent to mad only.
func (v *victim) batch(ctx context.Context, items []order) ([]reply, error) {
	v.items.Add(int64(len(items)))
	out := make([]reply, 0, len(items)+1)
	failed := make(batcher.Errors, len(items))
	poisoned := false
	for i, in := range items {
		switch in.Fault {
		case "poison":
			failed[i] = runtime.Errorf(http.StatusUnprocessableEntity, "poison %s", in.Nonce)
			poisoned = true
		case "few":
			return out[:0], nil
		case "many":
			return make([]reply, len(items)+1), nil
		case "hang":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if _, err := obey(ctx, in); err != nil {
			return nil, err
		}
		out = append(out, reply{Nonce: in.Nonce})
	}
	if poisoned {
		return out, failed
	}
	return out, nil
}

// mounted obeys the fault in the query.
func mounted(w http.ResponseWriter, r *http.Request) {
	in := order{Nonce: r.PathValue("nonce"), Fault: r.URL.Query().Get("fault")}
	if in.Fault == "part" {
		_, _ = w.Write([]byte(in.Nonce))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if in.Fault == "hints" {
		w.WriteHeader(http.StatusEarlyHints)
	}
	if _, err := obey(r.Context(), in); err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	_, _ = w.Write([]byte(`{"nonce":"` + in.Nonce + `"}`))
}

// labelled returns the nonce. Its label is chosen by the client, which mounts allow.
func labelled(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte(strings.TrimPrefix(r.URL.Path, "/")))
}

// socket returns each message, until one says how to end.
func socket(_ context.Context, conn *websocket.Conn) error {
	for {
		message, err := conn.Read()
		if err != nil {
			return err
		}
		switch string(message.Data) {
		case "panic":
			panic("on purpose")
		case "end":
			return nil
		}
		if err := conn.Write(message); err != nil {
			return err
		}
	}
}
