package otlp

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts the exports of one signal. Its zero value is ready to use; its
// methods may be called concurrently.
type Stats struct {
	exported    atomic.Int64
	failures    [reasonCount]atomic.Int64
	lastSuccess atomic.Int64
}

// Exported returns how many data points, spans or log lines collectors accepted. An
// export that was accepted in part adds those that were not rejected.
func (s *Stats) Exported() int64 { return s.exported.Load() }

// Failures returns how many exports failed for a reason; 0 for an unknown one.
func (s *Stats) Failures(r Reason) int64 {
	if r >= reasonCount {
		return 0
	}
	return s.failures[r].Load()
}

// LastSuccess returns when a collector last accepted an export or a part of it, or the
// zero time.
func (s *Stats) LastSuccess() time.Time {
	if at := s.lastSuccess.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Settings configures an exporter. The zero value is valid.
type Settings struct {
	// Config says where and how to send.
	Config Config
	// Stats counts the exports. Give each exporter its own. Default: they are not
	// counted.
	Stats *Stats
	// Logger logs a warning when exports begin to fail or fail for another
	// reason, and a message when they succeed again. Default: nothing is logged.
	Logger *slog.Logger
}

// outcomes counts and logs the exports of one signal.
type outcomes struct {
	signal string
	stats  *Stats
	logger *slog.Logger

	mu      sync.Mutex
	failing string // the reason that was last logged
}

func newOutcomes(signal string, s Settings) *outcomes {
	o := &outcomes{signal: signal, stats: s.Stats, logger: s.Logger}
	if o.stats == nil {
		o.stats = &Stats{}
	}
	if o.logger == nil {
		o.logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// add records one export. The collector may have accepted items although there is an
// error. It logs only a change of the outcome: a collector that is down for hours makes
// two lines.
func (o *outcomes) add(accepted int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil || accepted > 0 {
		o.stats.exported.Add(int64(accepted))
		o.stats.lastSuccess.Store(time.Now().UnixNano())
	}
	if err == nil {
		if o.failing != "" {
			o.logger.Info(o.signal + " are pushed again")
			o.failing = ""
		}
		return
	}
	reason := ReasonOf(err)
	o.stats.failures[reason].Add(1)
	if o.failing != reason.String() {
		o.logger.Warn(o.signal+" cannot be pushed", "reason", reason.String(), "error", err)
		o.failing = reason.String()
	}
}

// acceptedOf returns how many of the items of an export a collector accepted. err is the
// error of the export.
func acceptedOf(items int, err error) int {
	if err == nil {
		return items
	}
	var failed *Error
	if errors.As(err, &failed) && failed.Reason == ReasonPartial {
		return int(max(int64(items)-failed.rejected, 0))
	}
	return 0
}
