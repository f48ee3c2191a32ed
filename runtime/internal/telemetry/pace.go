package telemetry

import (
	"context"
	"time"
)

// Pace records the chunks of one stream, and its end. Its methods are called by one
// goroutine at a time.
type Pace struct {
	streams  *Streams
	sent     sent          // in chunks that were sent
	begun    bool          // there was a chunk
	first    time.Duration // when the first chunk began; negative: there was none
	last     time.Duration // when the last chunk began
	recorded time.Duration // when the time between two chunks was last recorded
}

// Pace returns the pace of a new stream. All its times count from the arrival of the
// request.
func (m *Streams) Pace() *Pace { return &Pace{streams: m, first: -1} }

// leastBetween is how long a stream records no further time between chunks, because a
// recording costs as much as a third of a chunk on the network. So of chunks that are
// closer than this, some are recorded.
const leastBetween = time.Millisecond

// Chunk records that a chunk begins now. Of ctx, only the span is used, for exemplars.
func (p *Pace) Chunk(ctx context.Context, now time.Duration) {
	m := p.streams
	switch {
	case !p.begun:
		p.begun, p.first, p.recorded = true, now, now-leastBetween // the next time is recorded
		if m != nil {
			m.begin(p)
			m.first.Record(ctx, now.Seconds(), m.record...)
		}
	case now-p.recorded >= leastBetween:
		p.recorded = now
		if m != nil {
			m.between.Record(ctx, (now - p.last).Seconds(), m.record...)
		}
	}
	p.last = now
}

// Sent counts the chunk that was begun, and its size.
func (p *Pace) Sent(bytes int) {
	p.sent.chunks.Add(1)
	p.sent.bytes.Add(int64(bytes))
}

// Begun reports whether there was a chunk.
func (p *Pace) Begun() bool { return p.begun }

// First returns the time of the first chunk, or a negative time if there was none.
func (p *Pace) First() time.Duration { return p.first }

// End counts the stream as ended.
func (p *Pace) End(reason StreamEnd) {
	m := p.streams
	if m == nil {
		return
	}
	m.ended[reason].Add(1)
	if p.begun {
		m.end(p)
	}
}
