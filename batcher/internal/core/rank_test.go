package core

import (
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// ranks has requests by name: a tenant, "_" for those without, a number, "-" for a low priority, and "*n"
// for n items.
type ranks struct {
	*driver
	names map[*Request]string
}

func (d *ranks) arriveAs(name string, deadline int64) Refusal {
	d.t.Helper()
	r := &Request{Items: 1}
	if _, items, several := strings.Cut(name, "*"); several {
		r.Items, _ = strconv.Atoi(items)
	}
	if deadline > 0 {
		r.Own = d.now + deadline
	}
	if r.Rank.Low = strings.Contains(name, "-"); name[0] != '_' {
		r.Rank.Tenant = name[:1]
	}
	d.names[r] = name
	why, _ := d.Arrive(d.now, r)
	return why
}

// serve runs all batches and returns the requests in the order in which they were sent.
func (d *ranks) serve() string {
	d.t.Helper()
	var order []string
	for requests, _ := d.Queued(); requests > 0; requests, _ = d.Queued() {
		b := d.sends()
		for _, p := range b.Parts {
			order = append(order, d.names[p.Request])
		}
		d.now += 10 * ms
		d.Done(d.now, b, false)
	}
	return strings.Join(order, " ")
}

// The first request of each queue has begun when the others come.
func TestRanks(t *testing.T) {
	for name, test := range map[string]struct {
		arrive, want, refused string
		places                int
	}{
		"without ranks":                    {"_1 _2 _3", "_1 _2 _3", "", 9},
		"tenants take turns":               {"a1 a2 a3 a4 b1 c1 b2", "a1 b1 c1 a2 b2 a3 a4", "", 9},
		"turns count items":                {"a1 a2*3 a3 b1 b2 b3 b4", "a1 b1 a2*3 a2*3 a2*3 b2 b3 b4 a3", "", 9},
		"low ones are last":                {"_1 _2- _3 _4- _5", "_1 _3 _5 _2- _4-", "", 9},
		"low ones of tenants":              {"a1 a2- a3 b1- b2 a4-", "a1 b2 a3 a2- b1- a4-", "", 9},
		"those without a tenant are one":   {"a1 a2 a3 _1 _2 _3", "a1 _1 a2 _2 a3 _3", "", 9},
		"one tenant fills it":              {"a1 a2 a3 a4 b1", "a1 b1 a2 a3", "a4", 3},
		"low ones fill it":                 {"a1 a2- a3- b1 c1 d1", "a1 b1 c1", "a3- a2- d1", 2},
		"a low one finds no place":         {"a1 a2 a3 b1-", "a1 a2 a3", "b1-", 2},
		"too few would yield":              {"_1 _2 _3- _4*3", "_1 _2 _3-", "_4*3", 2},
		"a large one takes several places": {"_1 _2- _3- _4*2", "_1 _4*2 _4*2", "_2- _3-", 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := &ranks{newDriver(t, Config{Policy: Idle, MaxSize: 1, MaxQueue: test.places}), map[*Request]string{}}
			var first *Batch
			var refused []string
			for i, one := range strings.Fields(test.arrive) {
				if d.arriveAs(one, 0) != Admitted {
					refused = append(refused, one)
				}
				step := d.Next(d.now)
				if i == 0 {
					first = step.Batch
				}
				for _, r := range step.Expired {
					refused = append(refused, d.names[r])
					check.Equal(t, r.Why, QueueFull)
				}
			}
			d.Done(d.now, first, false)
			check.Equal(t, strings.TrimSuffix(strings.Fields(test.arrive)[0]+" "+d.serve(), " "), test.want)
			check.Equal(t, strings.Join(refused, " "), test.refused)
			if d.queue.size != 0 || d.queue.ranked != 0 {
				t.Errorf("an empty queue has %+v", d.queue)
			}
		})
	}
}

// Items of a request that has begun stay first, whoever comes.
func TestBegunStaysFirst(t *testing.T) {
	d := &ranks{newDriver(t, Config{Policy: Idle, MaxSize: 2, MaxQueue: 4}), map[*Request]string{}}
	d.arriveAs("a1-*5", 0)
	b := d.sends()
	check.Equal(t, d.arriveAs("b1", 0), Admitted)
	check.Equal(t, d.arriveAs("b2*2", 0), QueueFull) // nobody yields
	d.Done(d.now, b, false)
	check.Equal(t, d.serve(), "a1-*5 a1-*5 b1")
}

// A request that others overtake is refused at its deadline, wherever it stands, and the core
// asks to be called then.
func TestOvertakenExpires(t *testing.T) {
	for _, overtaken := range []string{"_2-", "a2"} {
		d := &ranks{trained(t, Config{Policy: Idle, MaxSize: 1}), map[*Request]string{}}
		d.now += 1000 * ms
		d.arriveAs("a1", 0)
		b := d.sends()
		check.Equal(t, d.arriveAs(overtaken, 100*ms), Admitted)
		for _, one := range []string{"b1", "c1"} {
			d.arriveAs(one, 0)
		}
		check.Equal(t, d.Next(d.now).Again, d.now+100*ms)
		d.now += 100 * ms
		step := d.Next(d.now)
		if len(step.Expired) != 1 || d.names[step.Expired[0]] != overtaken || step.Expired[0].Why != Expired {
			t.Errorf("%s: got %+v", overtaken, step)
		}
		d.Done(d.now, b, false)
		check.Equal(t, d.serve(), "b1 c1")
	}
}

// The estimate of a request counts the items ahead of it, not those that it overtakes.
func TestEstimateOfARank(t *testing.T) {
	for name, want := range map[string]Refusal{"_9": Admitted, "_9-": Late, "a9": Late, "b9": Admitted} {
		d := &ranks{trained(t, Config{Policy: Idle, MaxSize: 1}), map[*Request]string{}}
		d.cost.usual = 0
		d.now += 1000 * ms
		d.arriveAs("a1", 0)
		d.sends()
		others := "a2"
		if name[0] == '_' {
			others = "_2-"
		}
		for range 9 {
			d.arriveAs(others, 0)
		}
		check.Equal(t, d.arriveAs(name, 35*ms), want)
	}
}

// A wait begins with the oldest request, also if a later one is before it.
func TestWaitOfTheOldest(t *testing.T) {
	d := &ranks{trained(t, Config{Policy: Window, Window: 5 * ms}), map[*Request]string{}}
	d.now += 1000 * ms
	until := d.now + 5*ms
	d.arriveAs("_1-", 0)
	check.Equal(t, d.Next(d.now).Again, until)
	d.now += 3 * ms
	d.arriveAs("_2", 0)
	check.Equal(t, d.Next(d.now).Again, until)
}

// A call without a rank takes no place of one that came before it, also if that one has waited
// beside calls with ranks.
func TestUnrankedYieldsNothing(t *testing.T) {
	d := &ranks{newDriver(t, Config{Policy: Idle, MaxSize: 1, MaxQueue: 2}), map[*Request]string{}}
	serve := func(b *Batch) *Batch {
		d.now += 10 * ms
		d.Done(d.now, b, false)
		return d.sends()
	}
	d.arriveAs("a1", 0)
	b := d.sends()
	d.arriveAs("a2", 0)
	b = serve(b)
	d.arriveAs("b1", 0)
	d.arriveAs("_1", 0)
	b = serve(b)
	check.Equal(t, d.arriveAs("_2*2", 0), QueueFull)
	check.Equal(t, d.arriveAs("_3", 0), Admitted)
	d.Done(d.now, b, false)
	check.Equal(t, d.serve(), "_1 _3")
}
