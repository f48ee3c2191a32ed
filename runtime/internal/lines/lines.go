// Package lines writes log lines without waiting for their reader. It does not depend on
// services.
package lines

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// Most is how many bytes of lines wait for a slow reader before further lines are dropped.
// As many at most are with the reader meanwhile.
const Most = 1 << 20

// kept is how many bytes of buffers an idle Writer keeps.
const kept = 64 << 10

// Writer passes lines on to another writer from a goroutine of its own, so that Write never
// waits: a pipe that nobody reads, or a disk that is full, costs lines and not requests. Each
// call of Write is one line. The goroutine begins with the first line and ends when all lines
// are written. Use [New].
type Writer struct {
	to   io.Writer
	lost func(lines int64)

	mu      sync.Mutex
	waiting []byte        // lines that are not written yet
	spare   []byte        // the buffer that was written last, to be used again
	idle    chan struct{} // closed when all lines are written; nil: the goroutine does not run
	dropped int64
	told    int64 // how many of the dropped lines the log was told of
	failing bool  // the last write returned an error
}

// New returns a Writer to another writer. After lines were dropped, it calls lost with their
// number, from its goroutine, once lines can be written again. lost may write to the Writer.
// nil: nothing is called.
func New(to io.Writer, lost func(lines int64)) *Writer { return &Writer{to: to, lost: lost} }

// Write keeps a copy of the line. If too many bytes wait, the line is dropped and counted.
// The error is always nil.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting)+len(line) > Most {
		w.dropped++
		return len(line), nil
	}
	w.waiting = append(w.waiting, line...)
	if w.idle == nil {
		w.idle = make(chan struct{})
		go w.drain()
	}
	return len(line), nil
}

// drain writes until no line waits.
func (w *Writer) drain() {
	for {
		chunk, untold := w.next()
		if chunk == nil {
			return
		}
		if untold > 0 && w.lost != nil {
			w.lost(untold) // it writes a line, which follows this chunk
		}
		n, err := w.to.Write(chunk)
		w.wrote(chunk, n, err)
	}
}

// next returns the lines that wait, and how many dropped lines the log does not know of.
// Without any lines, it ends the goroutine and returns nil.
func (w *Writer) next() (chunk []byte, untold int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		close(w.idle)
		w.idle = nil
		if cap(w.waiting)+cap(w.spare) > kept {
			w.waiting, w.spare = nil, nil
		}
		return nil, 0
	}
	chunk = w.waiting
	w.waiting, w.spare = w.spare[:0], nil
	if !w.failing {
		untold = w.dropped - w.told
		w.told = w.dropped
	}
	return chunk, untold
}

// wrote counts the lines of a chunk that could not be written.
func (w *Writer) wrote(chunk []byte, n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spare = chunk
	if w.failing = err != nil; w.failing {
		w.dropped += int64(bytes.Count(chunk[n:], []byte{'\n'}))
	}
}

// Dropped returns how many lines were dropped so far.
func (w *Writer) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Flush waits until all lines are written, at most for limit.
func (w *Writer) Flush(limit time.Duration) {
	w.mu.Lock()
	idle := w.idle
	w.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
