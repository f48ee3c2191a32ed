package core

import "math"

// shadow simulates a batcher with one rule. Its queue is the difference between the
// totals of arrivals and the totals that it has sent.
type shadow struct {
	rule
	ends  []int64 // when its workers become idle, in order
	sent  counts  // the arrivals that it has sent
	first int64   // time of the first arrival in its queue
	sends int64   // when it sends the next batch if no request arrives; 0: the queue is empty
	long  score
	short score
}

// due says which arrivals a shadow can skip: those that come before the time at,
// while the size of all arrivals so far is less than size.
type due struct {
	at   int64 // 0: no arrival can be skipped
	size int
}

// counts has totals of arrivals.
type counts struct {
	size     int
	requests int64
	times    int64 // sum of the times; differences are right even if it overflows
}

// mostSent is how many batches a shadow sends at one arrival. A shadow that is
// further behind is too slow for the traffic and would never catch up.
const mostSent = 32

// arrive advances a shadow to the time of an arrival. It returns which arrivals the
// shadow can skip.
func (s *shadow) arrive(now, latest int64, before, after *counts, most int, c *cost) due {
	for sent := 0; s.sends != 0 && s.sends <= now; sent++ {
		if sent == mostSent { // drop its queue
			s.sent, s.sends = *before, 0
			break
		}
		s.send(before, latest, most, c)
	}
	if s.sends == 0 {
		s.first = now
	}
	size := after.size - s.sent.size
	s.sends = s.next(now, now, size, most, c)
	switch {
	case s.latest > 0:
		return due{} // every arrival changes the time of its next batch
	case size >= s.enough:
		return due{s.sends, math.MaxInt}
	}
	return due{s.sends, s.sent.size + s.enough}
}

// next returns when a batch of the given size is sent. This is never before now.
func (s *shadow) next(now, latest int64, size, most int, c *cost) int64 {
	ready := max(now, s.ends[0])
	if size >= min(s.enough, most) {
		return ready
	}
	held := s.until(s.first, max(latest, s.ends[0]), c)
	if len(s.ends) > 1 {
		// With more idle workers, later requests need not wait for this batch.
		held = min(held, s.ends[1])
	}
	return max(ready, held)
}

// send sends the next batch. A shadow does not keep the requests in its queue: if it
// sends a part of the queue, it assumes average arrival times.
func (s *shadow) send(met *counts, latest int64, most int, c *cost) {
	queued, requests := met.size-s.sent.size, met.requests-s.sent.requests
	n := min(queued, most)
	end := s.sends + int64(c.of(n))
	share := float64(n) / float64(queued)
	after := met.times - s.sent.times - requests*s.first // sum of the times since the first
	gone, late := int64(math.Round(share*float64(requests))), int64(share*float64(after))
	total := float64(gone*(end-s.first) - late)
	s.long.add(total, float64(gone), longMemory)
	s.short.add(total, float64(gone), shortMemory)
	s.sent = counts{s.sent.size + n, s.sent.requests + gone, s.sent.times + gone*s.first + late}
	s.first = latest
	s.busy(end)
	if s.sends = 0; n < queued {
		s.sends = s.next(s.ends[0], latest, queued-n, most, c)
	}
}

// busy takes the worker that becomes idle first, and makes it busy until end.
func (s *shadow) busy(end int64) {
	i := 1
	for ; i < len(s.ends) && s.ends[i] < end; i++ {
		s.ends[i-1] = s.ends[i]
	}
	s.ends[i-1] = end
}
