package slots

import (
	"sync/atomic"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
)

// Adaptive is a limit that follows the latency: it falls when requests take longer than usual
// without more of them being served, and rises again. failsafe-go decides. The zero Adaptive is
// off.
type Adaptive struct {
	limiter atomic.Pointer[limiter]
}

type limiter struct {
	adaptivelimiter.AdaptiveLimiter[any]
	most int
}

// firstLimit is the limit before any request has ended.
const firstLimit = 20

// Follow sets the highest limit; 0: off. The lowest is 1. It begins anew when most changes.
func (a *Adaptive) Follow(most int) {
	switch now := a.limiter.Load(); {
	case most <= 0:
		a.limiter.Store(nil)
	case now == nil || now.most != most:
		made := adaptivelimiter.NewBuilder[any]().WithLimits(1, uint(most), uint(min(firstLimit, most))).Build()
		a.limiter.Store(&limiter{made, most})
	}
}

// Limit returns the limit that is in force; 0: off.
func (a *Adaptive) Limit() int64 {
	if now := a.limiter.Load(); now != nil {
		return int64(now.Limit())
	}
	return 0
}

// Permit is what a request gives back when it ends. The zero Permit is that of no limit.
type Permit struct{ of adaptivelimiter.Permit }

// Acquire returns false if the limit is reached.
func (a *Adaptive) Acquire() (Permit, bool) {
	now := a.limiter.Load()
	if now == nil {
		return Permit{}, true
	}
	permit, ok := now.TryAcquirePermit()
	return Permit{permit}, ok
}

// Release gives the permit back. served says whether the function ran to its end, so that its
// time counts.
func (p Permit) Release(served bool) {
	switch {
	case p.of == nil:
	case served:
		p.of.Record()
	default:
		p.of.Drop()
	}
}
