package turns

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// line is a queue in which each tenant always has the same number of requests.
type line struct {
	Turns
	sizes   map[string]int
	waiting []*Rank
	served  map[string]int
}

func (l *line) join(tenant string) {
	r := &Rank{Tenant: tenant}
	l.Give(r, l.sizes[tenant])
	l.Join(*r)
	l.waiting = append(l.waiting, r)
}

func (l *line) serve(n int) {
	for range n {
		first := slices.MinFunc(l.waiting, func(a, b *Rank) int { return a.Compare(*b) })
		l.waiting = slices.DeleteFunc(l.waiting, func(r *Rank) bool { return r == first })
		l.Serve(*first)
		l.served[first.Tenant] += l.sizes[first.Tenant]
		l.join(first.Tenant)
	}
}

// Tenants that always wait are served alike, whatever the sizes and the number of their requests.
// One that comes later does not make up for the time before. Requests without a tenant are one.
func TestShares(t *testing.T) {
	for _, depth := range []map[string]int{{"a": 1, "b": 1, "": 1}, {"a": 5, "b": 5, "": 5}, {"a": 1, "b": 9, "": 3}, {"a": 9, "b": 1, "": 1}} {
		l := &line{sizes: map[string]int{"a": 100, "b": 1, "": 7, "later": 3}, served: map[string]int{}}
		alike := func(when string) {
			t.Helper()
			for tenant, n := range l.served {
				if d := n - l.served["b"]; d < -200 || d > 200 {
					t.Errorf("%v waiting, tenant %q %s: got %v", depth, tenant, when, l.served)
				}
			}
			clear(l.served)
		}
		for tenant, n := range depth {
			for range n {
				l.join(tenant)
			}
		}
		l.serve(20_000)
		alike("from the start")
		l.join("later")
		l.serve(20_000)
		alike("with one that came later")
	}
}

// A tenant with one request is not held up by a flood of another one, nor by one of many tenants.
func TestFlood(t *testing.T) {
	for name, tenant := range map[string]func(i int) string{
		"none": func(int) string { return "" }, "one": func(int) string { return "a" }, "many": func(i int) string { return fmt.Sprint(i) },
	} {
		var order Turns
		var before []Rank
		for i := range 100 {
			r := Rank{Tenant: tenant(i)}
			order.Give(&r, 1)
			order.Join(r)
			before = append(before, r)
		}
		modest := Rank{Tenant: "modest"}
		order.Give(&modest, 1)
		ahead := 0
		for _, r := range before {
			if modest.Compare(r) > 0 {
				ahead++
			}
		}
		check.Equal(t, name+fmt.Sprint(ahead), name+"0") // its equals are before it by their arrival
	}
}

// A request that leaves gives its turn to the next one of its tenant.
func TestLeave(t *testing.T) {
	var order Turns
	first, second := Rank{Tenant: "a"}, Rank{Tenant: "a"}
	order.Give(&first, 10)
	order.Join(first)
	order.Give(&second, 10)
	order.Join(second)
	order.Leave(second)
	third := Rank{Tenant: "a"}
	order.Give(&third, 1)
	check.Equal(t, third.Compare(second), 0)
	order.Serve(first)
	check.Equal(t, Rank{Low: true}.Compare(third), 1)
	check.Equal(t, third.Compare(Rank{Low: true}), -1)
}

// Names that clients invent do not fill the memory, and those that wait are not forgotten.
func TestMostTenants(t *testing.T) {
	var order Turns
	waits := Rank{Tenant: "waits"}
	order.Give(&waits, 5)
	order.Join(waits)
	for i := range 100_000 {
		r := Rank{Tenant: fmt.Sprint(i)}
		order.Give(&r, 1)
		order.Join(r)
		order.Serve(r)
	}
	if n := len(order.classes[0].accounts); n > most+4 {
		t.Errorf("%d tenants are known", n)
	}
	next := Rank{Tenant: "waits"}
	order.Give(&next, 1)
	check.Equal(t, next.turn, int64(5))
}
