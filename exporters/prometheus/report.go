package prometheus

import (
	"log/slog"
	"sync"
	"sync/atomic"
)

const (
	// maxSaid bounds how many messages are remembered, because a message that
	// contains a time or an address differs at every collection.
	maxSaid = 256
	// maxSaidBytes is how much of a message is remembered. Messages that differ only
	// after that count as one.
	maxSaidBytes = 512
)

// report counts errors and logs each distinct message once.
type report struct {
	logger *slog.Logger
	count  atomic.Int64

	mu   sync.Mutex
	said map[string]struct{}
}

// add counts n errors and logs text, unless it was logged before. After maxSaid
// distinct messages it logs once that further errors are only counted.
func (r *report) add(n int64, text string) {
	r.count.Add(n)
	key := text
	if len(key) > maxSaidBytes {
		key = key[:maxSaidBytes]
	}
	r.mu.Lock()
	_, known := r.said[key]
	full := len(r.said) >= maxSaid
	if !known && !full {
		r.said[key] = struct{}{}
	}
	last := len(r.said) == maxSaid
	r.mu.Unlock()
	if known || full {
		return
	}
	r.logger.Warn("metrics incomplete", slog.String("error", text))
	if last {
		r.logger.Warn("metrics incomplete: further distinct errors are counted, not logged")
	}
}

// leaves returns how many errors are joined in err, at any depth: the SDK joins one for
// each callback that failed.
func leaves(err error) int64 {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return 1
	}
	var n int64
	for _, e := range joined.Unwrap() {
		n += leaves(e)
	}
	return n
}
