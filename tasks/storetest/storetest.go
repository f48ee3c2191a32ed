// Package storetest checks that a store keeps the promises of [tasks.Store].
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// api is the API of the tasks here. No lease of a long time expires in a test, and one
// of none has expired at once.
const (
	api  = "Kinds/slowly"
	long = time.Hour
	none = 0
)

// Run checks the stores that open returns. All stores of one test share their tasks.
func Run(t *testing.T, open func(t *testing.T) (again func(t *testing.T) tasks.Store)) {
	for name, test := range map[string]func(*testing.T, tasks.Store, tasks.Store){
		"Submit": submit, "Keys": keys, "Claim": claim, "Lease": lease, "Finish": finish, "Release": release,
		"Cancel": cancel, "Sweep": sweep, "Bytes": sweepBytes, "OnceEach": onceEach, "KeyRace": keyRace, "Unicode": unicode,
	} {
		t.Run(name, func(t *testing.T) {
			again := open(t)
			test(t, again(t), again(t))
		})
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func id(n int) string { return fmt.Sprintf("%032x", n) }

func add(t *testing.T, s tasks.Store, n int) tasks.Record {
	t.Helper()
	return must(s.Submit(t.Context(), tasks.Submission{ID: id(n), API: api, Request: request(n)}))(t)
}

func request(n int) tasks.Request {
	return tasks.Request{Path: "/slowly", Header: http.Header{"Content-Type": {"application/json"}}, Body: fmt.Appendf(nil, `{"text":"%d"}`, n)}
}

func result(text string) tasks.Result {
	return tasks.Result{Status: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte(text)}
}

// is fails unless err is want.
func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got the error %v, want %v", err, want)
	}
}

func submit(t *testing.T, s, other tasks.Store) {
	before := time.Now().Add(-time.Second)
	rec := add(t, s, 1)
	if rec.ID != id(1) || rec.API != api || rec.Status != tasks.Waiting || rec.Created.Before(before) || !rec.Started.IsZero() || !rec.Ended.IsZero() {
		t.Errorf("submitted %+v", rec)
	}
	if got := must(other.Get(t.Context(), api, id(1)))(t); got != rec {
		t.Errorf("got %+v, want %+v", got, rec)
	}
	_, req, err := other.Request(t.Context(), api, id(1))
	if err != nil || req.Path != "/slowly" || req.Header.Get("Content-Type") != "application/json" || string(req.Body) != `{"text":"1"}` {
		t.Errorf("request %+v, %v", req, err)
	}
	_, res, err := other.Result(t.Context(), api, id(1))
	if err != nil || res.Status != 0 || res.Header != nil || res.Body != nil {
		t.Errorf("result %+v, %v", res, err)
	}
	for _, wrong := range [][2]string{{api, id(2)}, {"Kinds/other", id(1)}, {"", ""}, {api, "'; DROP TABLE tasks; --"}} {
		_, err := s.Get(t.Context(), wrong[0], wrong[1])
		is(t, err, tasks.ErrNotFound)
		_, _, err = s.Result(t.Context(), wrong[0], wrong[1])
		is(t, err, tasks.ErrNotFound)
		_, _, err = s.Request(t.Context(), wrong[0], wrong[1])
		is(t, err, tasks.ErrNotFound)
		_, err = s.Cancel(t.Context(), wrong[0], wrong[1])
		is(t, err, tasks.ErrNotFound)
	}
	if _, err := s.Submit(t.Context(), tasks.Submission{ID: id(1), API: api}); err == nil {
		t.Error("an id was used twice")
	}
	stats := must(s.Stats(t.Context()))(t)[api]
	if stats.Waiting != 1 || stats.Running != 0 || stats.Ended != 0 || !stats.Oldest.Equal(rec.Created) || stats.Bytes < 12 || stats.Pending != stats.Bytes {
		t.Errorf("stats %+v", stats)
	}
}

func keys(t *testing.T, s, other tasks.Store) {
	sub := tasks.Submission{ID: id(1), API: api, Request: request(1), Key: "a", Digest: []byte{1}}
	first := must(s.Submit(t.Context(), sub))(t)
	sub.ID = id(2)
	if again := must(other.Submit(t.Context(), sub))(t); again != first {
		t.Errorf("again %+v, want %+v", again, first)
	}
	if found := must(other.Submitted(t.Context(), sub))(t); found != first {
		t.Errorf("found %+v, want %+v", found, first)
	}
	sub.Digest = []byte{2}
	_, err := s.Submit(t.Context(), sub)
	is(t, err, tasks.ErrKeyReused)
	_, err = s.Submitted(t.Context(), sub)
	is(t, err, tasks.ErrKeyReused)
	_, err = s.Submitted(t.Context(), tasks.Submission{API: api, Key: "unknown"})
	is(t, err, tasks.ErrNotFound)
	for n, change := range []func(*tasks.Submission){
		func(s *tasks.Submission) { s.API = "Kinds/other" },
		func(s *tasks.Submission) { s.Key = "A" },
	} {
		sub := sub
		sub.ID = id(3 + n)
		change(&sub)
		if rec := must(s.Submit(t.Context(), sub))(t); rec.ID != sub.ID {
			t.Errorf("%+v, want a new task", rec)
		}
	}
	run := must(s.Claim(t.Context(), api, "w", long))(t)
	is(t, s.Finish(t.Context(), run, tasks.Completed, result("x")), nil)
	sub.ID, sub.Digest = id(9), []byte{1}
	if again := must(s.Submit(t.Context(), sub))(t); again.ID != id(1) || again.Status != tasks.Completed {
		t.Errorf("after its end: %+v", again)
	}
}

func claim(t *testing.T, s, other tasks.Store) {
	if run := must(s.Claim(t.Context(), api, "w", long))(t); run != nil {
		t.Fatalf("claimed %+v of an empty store", run)
	}
	for n := range 3 {
		add(t, s, n)
	}
	for n := range 3 { // in order
		run := must(other.Claim(t.Context(), api, "w", long))(t)
		if run == nil || run.ID != id(n) || run.Status != tasks.Running || run.Worker != "w" || run.Claims != 1 || run.Deaths != 0 || run.Retaken || run.Started.IsZero() {
			t.Fatalf("claimed %+v", run)
		}
		if want := request(n); !bytes.Equal(run.Request.Body, want.Body) || run.Request.Path != want.Path || run.Request.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request %+v", run.Request)
		}
	}
	if run := must(s.Claim(t.Context(), api, "v", long))(t); run != nil {
		t.Errorf("claimed %+v again", run)
	}
	if got := must(s.Get(t.Context(), api, id(0)))(t); got.Status != tasks.Running {
		t.Errorf("%+v", got)
	}
}

func lease(t *testing.T, s, other tasks.Store) {
	add(t, s, 1)
	first := must(s.Claim(t.Context(), api, "w", none))(t)
	if run := must(s.Claim(t.Context(), api, "w", none))(t); run != nil {
		t.Fatalf("a worker took its own task: %+v", run)
	}
	if held := must(s.Extend(t.Context(), "w", long))(t); len(held) != 1 || held[0] != (tasks.Held{ID: id(1), Claims: 1}) {
		t.Fatalf("held %v", held)
	}
	if run := must(other.Claim(t.Context(), api, "v", long))(t); run != nil {
		t.Fatalf("an extended lease was broken: %+v", run)
	}
	if held := must(s.Extend(t.Context(), "w", none))(t); len(held) != 1 {
		t.Fatalf("held %v", held)
	}
	second := must(other.Claim(t.Context(), api, "v", none))(t)
	if second == nil || second.Claims != 2 || second.Deaths != 1 || !second.Retaken || string(second.Request.Body) != `{"text":"1"}` {
		t.Fatalf("after the lease: %+v", second)
	}
	if held := must(s.Extend(t.Context(), "w", long))(t); len(held) != 0 {
		t.Errorf("the first worker still holds %v", held)
	}
	is(t, s.Finish(t.Context(), first, tasks.Completed, result("first")), tasks.ErrLost)
	is(t, s.Release(t.Context(), first), tasks.ErrLost)
	third := must(s.Claim(t.Context(), api, "w", long))(t) // the first worker again
	if third == nil || third.Deaths != 2 {
		t.Fatalf("after the second lease: %+v", third)
	}
	is(t, s.Finish(t.Context(), first, tasks.Completed, result("first")), tasks.ErrLost)
	is(t, s.Finish(t.Context(), third, tasks.Completed, result("third")), nil)
	if _, res, err := other.Result(t.Context(), api, id(1)); err != nil || string(res.Body) != "third" {
		t.Errorf("result %q, %v", res.Body, err)
	}
}

func finish(t *testing.T, s, other tasks.Store) {
	for n, status := range []tasks.Status{tasks.Completed, tasks.Failed} {
		add(t, s, n)
		run := must(s.Claim(t.Context(), api, "w", long))(t)
		want := tasks.Result{Status: 500 - n, Header: http.Header{"Content-Type": {"a/b"}, "X-A": {"1", "2"}}, Body: bytes.Repeat([]byte{0, 0xff}, 1<<20)}
		is(t, s.Finish(t.Context(), run, status, want), nil)
		rec, got, err := other.Result(t.Context(), api, id(n))
		if err != nil || rec.Status != status || rec.Ended.IsZero() || got.Status != want.Status || !bytes.Equal(got.Body, want.Body) || len(got.Header["X-A"]) != 2 {
			t.Errorf("%+v, %+v, %v", rec, got.Header, err)
		}
		is(t, s.Finish(t.Context(), run, status, want), tasks.ErrLost)
		_, err = s.Cancel(t.Context(), api, id(n))
		is(t, err, tasks.ErrEnded)
	}
	if stats := must(s.Stats(t.Context()))(t)[api]; stats.Ended != 2 || stats.Waiting+stats.Running != 0 || !stats.Oldest.IsZero() || stats.Bytes < 4<<20 || stats.Pending != 0 {
		t.Errorf("stats %+v", stats)
	}
}

func release(t *testing.T, s, other tasks.Store) {
	add(t, s, 1)
	add(t, s, 2)
	run := must(s.Claim(t.Context(), api, "w", long))(t)
	is(t, s.Release(t.Context(), run), nil)
	is(t, s.Release(t.Context(), run), tasks.ErrLost)
	is(t, s.Finish(t.Context(), run, tasks.Completed, result("")), tasks.ErrLost)
	if rec := must(other.Get(t.Context(), api, id(1)))(t); rec.Status != tasks.Waiting || !rec.Started.IsZero() {
		t.Errorf("released: %+v", rec)
	}
	next := must(other.Claim(t.Context(), api, "v", long))(t)
	if next == nil || next.ID != id(1) || next.Deaths != 0 || next.Retaken || next.Claims != 2 {
		t.Errorf("after the release: %+v", next)
	}
}

func cancel(t *testing.T, s, other tasks.Store) {
	add(t, s, 1)
	rec := must(s.Cancel(t.Context(), api, id(1)))(t)
	if rec.Status != tasks.Cancelled || rec.Ended.IsZero() || rec.ID != id(1) {
		t.Errorf("cancelled %+v", rec)
	}
	again, err := other.Cancel(t.Context(), api, id(1))
	is(t, err, tasks.ErrEnded)
	if again != rec {
		t.Errorf("again %+v, want %+v", again, rec)
	}
	if run := must(s.Claim(t.Context(), api, "w", long))(t); run != nil {
		t.Errorf("claimed a cancelled task: %+v", run)
	}
	add(t, s, 2)
	run := must(s.Claim(t.Context(), api, "w", long))(t)
	must(other.Cancel(t.Context(), api, id(2)))(t)
	if held := must(s.Extend(t.Context(), "w", long))(t); len(held) != 0 {
		t.Errorf("held %v", held)
	}
	is(t, s.Finish(t.Context(), run, tasks.Completed, result("late")), tasks.ErrLost)
	if rec, res, err := s.Result(t.Context(), api, id(2)); err != nil || rec.Status != tasks.Cancelled || res.Body != nil {
		t.Errorf("%+v, %q, %v", rec, res.Body, err)
	}
}

func end(t *testing.T, s tasks.Store, text string) {
	t.Helper()
	run := must(s.Claim(t.Context(), api, "w", long))(t)
	is(t, s.Finish(t.Context(), run, tasks.Completed, result(text)), nil)
}

func sweep(t *testing.T, s, _ tasks.Store) {
	for n := range 5 {
		add(t, s, n)
	}
	for range 3 {
		end(t, s, "x")
	}
	must(s.Claim(t.Context(), api, "w", long))(t)
	left := func(limits tasks.Limits, swept, ended int) {
		t.Helper()
		if got := must(s.Sweep(t.Context(), limits))(t); got != swept {
			t.Errorf("swept %d, want %d", got, swept)
		}
		if stats := must(s.Stats(t.Context()))(t)[api]; stats.Ended != ended || stats.Waiting != 1 || stats.Running != 1 {
			t.Errorf("left %+v", stats)
		}
	}
	left(tasks.Limits{TTL: long}, 0, 3)
	left(tasks.Limits{TTL: long, MaxEnded: 2}, 1, 2)
	_, err := s.Get(t.Context(), api, id(0)) // the oldest
	is(t, err, tasks.ErrNotFound)
	left(tasks.Limits{TTL: none}, 2, 0)
}

func sweepBytes(t *testing.T, s, _ tasks.Store) {
	for n := range 4 {
		add(t, s, n)
		end(t, s, string(bytes.Repeat([]byte("x"), 10000)))
	}
	if swept := must(s.Sweep(t.Context(), tasks.Limits{TTL: long, MaxBytes: 25000}))(t); swept != 2 {
		t.Errorf("swept %d", swept)
	}
	if stats := must(s.Stats(t.Context()))(t)[api]; stats.Bytes > 25000 || stats.Bytes < 20000 {
		t.Errorf("left %+v", stats)
	}
}

// onceEach claims from many goroutines and two stores: each task is claimed once.
func onceEach(t *testing.T, s, other tasks.Store) {
	const count = 20
	for n := range count {
		add(t, s, n)
	}
	var mu sync.Mutex
	var running sync.WaitGroup
	claimed := map[string]int{}
	for n := range 8 {
		running.Go(func() {
			from := []tasks.Store{s, other}[n%2]
			for {
				run, err := from.Claim(t.Context(), api, fmt.Sprint(n), long)
				if err != nil {
					t.Error(err)
				}
				if run == nil {
					return
				}
				mu.Lock()
				claimed[run.ID]++
				mu.Unlock()
			}
		})
	}
	running.Wait()
	if len(claimed) != count {
		t.Errorf("claimed %d", len(claimed))
	}
	for id, times := range claimed {
		if times != 1 {
			t.Errorf("%s was claimed %d times", id, times)
		}
	}
}

// keyRace submits with one key from many goroutines: there is one task.
func keyRace(t *testing.T, s, other tasks.Store) {
	var running sync.WaitGroup
	ids := make([]string, 16)
	for n := range ids {
		running.Go(func() {
			rec, err := []tasks.Store{s, other}[n%2].Submit(t.Context(), tasks.Submission{ID: id(n), API: api, Request: request(n), Key: "k", Digest: []byte{1}})
			if err != nil {
				t.Error(err)
			}
			ids[n] = rec.ID
		})
	}
	running.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("ids %v", ids)
		}
	}
}

func unicode(t *testing.T, s, _ tasks.Store) {
	sub := tasks.Submission{ID: id(1), API: "日本/é", Request: tasks.Request{Path: "/a%00b/ü", Body: []byte{0, 0xff}}, Key: "schlüssel"}
	must(s.Submit(t.Context(), sub))(t)
	run := must(s.Claim(t.Context(), sub.API, "w", long))(t)
	if run == nil || run.Request.Path != sub.Request.Path || !bytes.Equal(run.Request.Body, sub.Request.Body) {
		t.Errorf("%+v", run)
	}
}
