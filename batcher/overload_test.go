package batcher

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// offered is the result of an open load: clients that come at a rate, whatever the answers are.
type offered struct {
	goodput  float64 // results per second
	p50, p99 time.Duration
	refused  int
	slowest  time.Duration // of the refusals
}

// offer sends calls with one item at a rate for five seconds of fake time. A batch of 32 takes
// 16 ms, of one 5 ms: the capacity is 2,000 items per second.
func offer(t *testing.T, rate int, cfg Config) offered {
	return offerRanked(t, rate, cfg, Rank{})[Rank{}]
}

// offerRanked is offer for calls with ranks in turn. It returns a result for each rank.
func offerRanked(t *testing.T, rate int, cfg Config, ranks ...Rank) map[Rank]offered {
	cost := func(n int) time.Duration { return time.Duration(4645+355*n) * time.Microsecond }
	all := map[Rank]offered{}
	synctest.Test(t, func(t *testing.T) {
		b := start(func(_ context.Context, items []int) ([]int, error) {
			time.Sleep(cost(len(items)))
			return items, nil
		}, cfg, RankOf[int](func(ctx context.Context) Rank { return ctx.Value(rankKey{}).(Rank) }))
		type answer struct {
			rank Rank
			took time.Duration
			err  error
		}
		answers := make(chan answer, 5*rate)
		began := time.Now()
		for i := range 5 * rate {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
			go func() {
				at, rank := time.Now(), ranks[i%len(ranks)]
				_, err := b.Do(context.WithValue(t.Context(), rankKey{}, rank), []int{i})
				answers <- answer{rank, time.Since(at), err}
			}()
		}
		took := map[Rank][]time.Duration{}
		for range 5 * rate {
			one := <-answers
			got := all[one.rank]
			switch {
			case one.err == nil:
				took[one.rank] = append(took[one.rank], one.took)
			case errors.Is(one.err, ErrOverloaded):
				got.refused++
				got.slowest = max(got.slowest, one.took)
			default:
				t.Error(one.err)
			}
			all[one.rank] = got
		}
		for rank, took := range took {
			slices.Sort(took)
			got := all[rank]
			got.goodput = float64(len(took)) / time.Since(began).Seconds()
			got.p50, got.p99 = took[len(took)/2], took[len(took)*99/100]
			all[rank] = got
		}
	})
	return all
}

// Whatever is offered, the batcher computes as much as it can. With the default queue, no
// call waits for more than its ten batches, or 1000 items; the others are refused at once.
// Without a limit, calls wait longer each second.
func TestOfferedLoad(t *testing.T) {
	const capacity = 2000
	for _, times := range []int{2, 5, 10} {
		bounded := offer(t, times*capacity, Config{MaxBatchSize: 32})
		endless := offer(t, times*capacity, Config{MaxBatchSize: 32, MaxQueue: math.MaxInt})
		short := offer(t, times*capacity, Config{MaxBatchSize: 32, MaxQueue: 32})
		show := func(queue string, got offered) {
			t.Logf("%2d times the capacity, %s: goodput %.2f, p50 %s, p99 %s, refused %d, the slowest after %s", times, queue,
				got.goodput/capacity, got.p50.Round(time.Millisecond), got.p99.Round(time.Millisecond), got.refused, got.slowest)
		}
		show("no limit", endless)
		show("default", bounded)
		show("one batch", short)
		if bounded.goodput < 0.95*capacity || bounded.p99 > 600*time.Millisecond || bounded.slowest > 0 {
			t.Errorf("%d times the capacity: got %+v", times, bounded)
		}
		if short.goodput < 0.95*capacity || short.p99 > 50*time.Millisecond {
			t.Errorf("%d times the capacity, a queue of one batch: got %+v", times, short)
		}
		if endless.p99 < 2*time.Second {
			t.Errorf("%d times the capacity, without a limit: got %+v", times, endless)
		}
	}
}

// At twice the capacity, calls that are not low are served as if they were alone, and a tenant that
// asks for less than its share gets all of it. The others have the rest.
func TestRankedLoad(t *testing.T) {
	const capacity = 2000
	for name, test := range map[string]struct{ first, second Rank }{
		"priorities": {Rank{}, Rank{Low: true}},
		"tenants":    {Rank{Tenant: "a"}, Rank{Tenant: "b"}},
	} {
		all := offerRanked(t, 2*capacity, Config{MaxBatchSize: 32}, test.first, test.second, test.second, test.second, test.second)
		first, second := all[test.first], all[test.second]
		for place, got := range []offered{first, second} {
			t.Logf("%s, place %d: goodput %.2f, p50 %s, p99 %s, refused %d", name, place+1, got.goodput/capacity,
				got.p50.Round(time.Millisecond), got.p99.Round(time.Millisecond), got.refused)
		}
		if first.refused > 0 || first.p99 > 50*time.Millisecond || first.goodput+second.goodput < 0.95*capacity {
			t.Errorf("%s: got %+v, then %+v", name, first, second)
		}
	}
}
