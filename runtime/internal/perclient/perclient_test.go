package perclient

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

var now = time.Unix(1000, 0)

// try reports after what time a client may come again; 0: it was let in, and leaves at once.
func try(t *Table, addr string, limits Limits, at time.Time) time.Duration {
	leave, after := t.Enter(addr, limits, at)
	if leave != nil {
		leave()
	}
	return after
}

// A client has so many requests at once, and another has its own.
func TestConcurrency(t *testing.T) {
	var table Table
	limits := Limits{Concurrency: 2}
	first, _ := table.Enter("1.1.1.1:1", limits, now)
	second, _ := table.Enter("1.1.1.1:2", limits, now)
	check.Equal(t, try(&table, "1.1.1.1:3", limits, now), time.Second)
	check.Equal(t, try(&table, "1.1.1.2:1", limits, now), 0)
	first()
	check.Equal(t, try(&table, "1.1.1.1:3", limits, now), 0)
	second()
	check.Equal(t, table.Len(), 2)
}

// A client has a rate and a burst. Who is refused is told when there is a token, and the
// refusal takes none. A reload applies to the clients that are known.
func TestRate(t *testing.T) {
	var table Table
	limits := Limits{Rate: 0.5, Burst: 3}
	for range 3 {
		check.Equal(t, try(&table, "1.1.1.1:1", limits, now), 0)
	}
	for range 10 {
		check.Equal(t, try(&table, "1.1.1.1:1", limits, now), 2*time.Second)
	}
	check.Equal(t, try(&table, "1.1.1.1:1", limits, now.Add(2*time.Second)), 0)
	limits = Limits{Rate: 1000}
	check.Equal(t, try(&table, "1.1.1.1:1", limits, now.Add(5*time.Second)), 0)
	check.Equal(t, Limits{Rate: 0.2}.burst(), 1)
	check.Equal(t, Limits{Rate: 2.5}.burst(), 3)
	check.Equal(t, try(&table, "1.1.1.1:1", Limits{}, now), 0)
}

// Addresses of one client are one, and who has none has no limit.
func TestKey(t *testing.T) {
	for name, test := range map[string]struct {
		first, second string
		same          bool
	}{
		"ports":            {"1.1.1.1:1", "1.1.1.1:2", true},
		"without a port":   {"1.1.1.1:1", "1.1.1.1", true},
		"IPv4 in IPv6":     {"1.1.1.1:1", "[::ffff:1.1.1.1]:1", true},
		"one IPv6 network": {"[2001:db8::1]:1", "[2001:db8::ffff:1]:1", true},
		"two":              {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		"zones":            {"[fe80::1%a]:1", "[fe80::1%b]:1", true},
		"a socket":         {"@", "@", false},
		"nothing":          {"", "", false},
		"garbage":          {"x:y", "x:y", false},
	} {
		var table Table
		_, _ = table.Enter(test.first, Limits{Concurrency: 1}, now)
		if got := try(&table, test.second, Limits{Concurrency: 1}, now) > 0; got != test.same {
			t.Errorf("%s: the same client: %t", name, got)
		}
	}
}

// A flood of addresses does not grow the table, nor is anybody refused, and who has requests is
// not forgotten.
func TestMost(t *testing.T) {
	var table Table
	limits := Limits{Concurrency: 1, Rate: 0.001, Burst: 1}
	leave, _ := table.Enter("9.9.9.9:1", limits, now)
	for i := range 3 * Most {
		if after := try(&table, fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), limits, now); after > 0 {
			t.Fatalf("client %d is refused", i)
		}
	}
	check.Equal(t, table.Len(), Most+1)
	check.Equal(t, try(&table, "9.9.9.9:1", limits, now), time.Second)
	leave()
	check.Equal(t, table.Len(), Most)
	last := 3*Most - 1
	if try(&table, fmt.Sprintf("10.%d.%d.%d:1", last>>16, last>>8&255, last&255), limits, now) == 0 {
		t.Error("the last client is forgotten")
	}
	check.Equal(t, try(&table, "10.0.0.0:1", limits, now), 0)
}

// Requests at the same time leave nothing behind.
func TestTogether(t *testing.T) {
	var table Table
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 1000 {
				try(&table, fmt.Sprintf("1.1.1.%d:1", i%3), Limits{Concurrency: 2, Rate: 1e6}, now)
			}
		})
	}
	all.Wait()
	check.Equal(t, table.idle.Len(), 3)
	for _, c := range table.clients {
		check.Equal(t, c.running, 0)
	}
}
