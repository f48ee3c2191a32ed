package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// lasting are clients that go on while servers come and go.
func lasting() []kind {
	return []kind{
		{name: "keep-alive", act: func(a *actor) outcome { return a.post(a.h1, a.path("/plain"), a.order("", 0, 10)) }, seen: fine},
		{name: "idle", act: func(a *actor) outcome {
			a.pause(300) // less than shutdown.idle
			return a.post(a.h1, a.path("/plain"), a.order("", 0, 10))
		}, seen: fine},
		{name: "HTTP/2", act: func(a *actor) outcome { return a.post(a.h2, a.path("/plain"), a.order("slow", 1, 10)) }, seen: fine},
		{name: "streaming", act: func(a *actor) outcome { return a.chunks("/stream", "", 20, 5) }, seen: fine},
	}
}

// restarts restarts the server again and again under lasting clients. Its socket stays open, and
// the next server accepts before the last one ends.
func (s *session) restarts(ctx context.Context) error {
	if err := s.start(variants[0]); err != nil {
		return err
	}
	end := make(chan struct{})
	var workers sync.WaitGroup
	kinds := lasting()
	for w := range s.Workers {
		own := *s.clients // each has connections of its own
		own.h1, own.h2 = newClients(s.clients.address).h1, newClients(s.clients.address).h2
		workers.Go(func() { s.last(&own, &kinds[w%len(kinds)], uint64(w), end) })
	}
	var err error
	for n := 0; n < s.Restarts && err == nil && ctx.Err() == nil; n++ {
		err = s.renew()
		s.line.Stepf("restart; problems so far: %v", s.book.verdict())
	}
	close(end)
	workers.Wait()
	if err != nil {
		return err
	}
	s.atRest()
	return s.stop()
}

// last sends requests of one kind until end is closed.
func (s *session) last(own *clients, k *kind, number uint64, end chan struct{}) {
	random := rand.New(rand.NewPCG(s.Seed, number))
	for within(end, time.Millisecond) {
		a := s.actor(k, random)
		a.clients = own
		got := k.act(a)
		a.end(got)
		if got.status != http.StatusOK {
			within(end, 10*time.Millisecond)
		}
	}
	own.closeIdle()
}
