package slots_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/turns"
	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
)

// Each name is an arrival: a tenant, a number, and "-" for a low priority. The first one takes
// the only slot, and those that wait are served in the order that is wanted.
func TestRanks(t *testing.T) {
	for name, test := range map[string]struct {
		arrive, want, refused string
		places                int
	}{
		"as they come":             {"a1 a2 a3", "a1 a2 a3", "", 9},
		"tenants take turns":       {"a1 a2 a3 a4 b1 c1 b2", "a1 a2 b1 c1 a3 b2 a4", "", 9},
		"low ones are last":        {"a1 a2- a3 b1- b2", "a1 a3 b2 a2- b1-", "", 9},
		"one tenant fills it":      {"a1 a2 a3 a4 b1", "a1 a2 b1 a3", "a4", 3},
		"low ones fill it":         {"a1 a2- a3- b1 c1 d1", "a1 b1 c1", "a3- a2- d1", 2},
		"a low one finds no place": {"a1 a2 a3 b1-", "a1 a2 a3", "b1-", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &worker{t: t}
				w.Limit(1)
				w.Hold(test.places, false)
				var refused []string
				for _, one := range strings.Fields(test.arrive) {
					waiter := &slots.Waiter{Acquire: w.take, Rank: turns.Rank{Low: strings.HasSuffix(one, "-"), Tenant: one[:1]}}
					if w.enterAs(one, waiter); waiter.Ready() == nil && one != "a1" {
						refused = append(refused, one)
					}
					go func() {
						if waiter.Ready() == nil {
							return
						}
						<-waiter.Ready()
						if gone, _ := waiter.Refused(); gone {
							w.mu.Lock()
							defer w.mu.Unlock()
							refused = append(refused, one)
						}
					}()
					synctest.Wait()
				}
				time.Sleep(time.Minute)
				w.mu.Lock()
				defer w.mu.Unlock()
				check.Equal(t, strings.Join(w.order, " "), test.want)
				check.Equal(t, strings.Join(refused, " "), test.refused)
				check.Equal(t, w.Length(), 0)
			})
		})
	}
}

// A tenant that sends ten times as much gets no more than another one, however long it lasts.
func TestTenantsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{t: t}
		w.Limit(1)
		w.Hold(20, false)
		for i := range 1000 {
			w.enterAs("greedy", &slots.Waiter{Acquire: w.take, Rank: turns.Rank{Tenant: "greedy"}})
			if i%5 == 0 {
				w.enterAs("modest", &slots.Waiter{Acquire: w.take, Rank: turns.Rank{Tenant: "modest"}})
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		got := map[string]int{}
		w.mu.Lock()
		for _, one := range w.order[:90] { // 2 modest ones come each second, 1 is served
			got[one]++
		}
		w.mu.Unlock()
		if got["modest"] < 40 {
			t.Errorf("served %v of the first 90, want about half each", got)
		}
	})
}
