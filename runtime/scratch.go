package runtime

import (
	"bytes"
	"context"
	"sync"

	"github.com/ekiben-serving/ekiben/runtime/internal/alarm"
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
)

// scratch has the buffers and the timer of a request, which later requests use
// again. User code never sees it.
type scratch struct {
	body         body.Reader
	out          bytes.Buffer
	file         *File        // the result, if it is a file
	contentType  string       // of the result; "": that of the API
	serverTiming string       // the header Server-Timing; "": not sent
	alarm        *alarm.Alarm // apart, because its timer runs on and must not hold the buffers
	pool         *scratches
}

// maxKept bounds the buffers that the pool keeps, in bytes: one request of 100 MB
// must not hold that memory for ever.
const maxKept = 1 << 20

func (s *scratch) put() {
	s.close()
	s.serverTiming, s.contentType = "", ""
	if s.body.Cap() > maxKept || s.out.Cap() > maxKept {
		return
	}
	s.body.Reset()
	s.out.Reset()
	s.pool.pool.Put(s)
}

// lendFiles leaves the files of the request behind ctx to a function that it has called in process,
// or to a batch, which may still run.
func lendFiles(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.x.out.mu.Lock()
		c.x.out.lent = true
		c.x.out.mu.Unlock()
	}
}

// leaveFiles lets the garbage collector close the files that were lent.
func (s *scratch) leaveFiles(x *exchange) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.lent {
		s.body.Files = nil
	}
}

// close removes the files of the request and closes the one that was sent.
func (s *scratch) close() {
	s.body.Release()
	for _, file := range s.body.Files {
		_ = file.Close() // on most systems the file has no name any more; else a cleaner of temporary files removes it
	}
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
	s.body.Files = nil
}

// scratches is a pool of scratch. Each app has its own pool, because in a test with
// fake time, a timer of another app may use another clock.
type scratches struct{ pool sync.Pool }

func (p *scratches) get() *scratch {
	if s, ok := p.pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{pool: p, alarm: &alarm.Alarm{}}
}
