// Package watch notices that files change, however they do: written in place,
// renamed over, removed and made again, or through a symbolic link that is
// swapped, as Kubernetes swaps mounted ConfigMaps.
package watch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long events are gathered: an editor makes several of one
	// change.
	settle = 20 * time.Millisecond
	// poll is how often the files are looked at without an event: network file
	// systems have none, and a directory that is replaced loses its watch.
	poll = 10 * time.Second
)

// Fingerprint stands for the content of files at one time.
type Fingerprint [sha256.Size]byte

// Files calls changed each time the content of one of the files differs from
// before, until ctx ends; the first time from what before stands for. files is
// asked each time, since a file can name others. A file that cannot be read has
// no content.
func Files(ctx context.Context, before Fingerprint, files func() []string, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	defer watcher.Close() //nolint:errcheck // nothing can be done about it
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	follow(watcher, files())
	for ; ; gather(ctx, watcher) {
		if now := Of(files()); now != before {
			before = now
			changed()
		}
		follow(watcher, files())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-watcher.Events:
		case <-watcher.Errors: //nolint:errcheck // events were lost: look, as after one
		case <-ticker.C:
		}
	}
}

// gather waits until the change is over.
func gather(ctx context.Context, watcher *fsnotify.Watcher) {
	over := time.NewTimer(settle)
	defer over.Stop()
	for {
		select {
		case <-watcher.Events:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// follow watches every directory in which a change can change a file: its own,
// and those of the links on the way to it.
func follow(watcher *fsnotify.Watcher, files []string) {
	for _, file := range files {
		for range 16 { // links of links; a loop ends here
			_ = watcher.Add(filepath.Dir(file)) // one that is missing is looked for at the next poll
			target, err := os.Readlink(file)
			if err != nil {
				break
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(file), target)
			}
			file = target
		}
	}
}

// Of returns the fingerprint of files as they are now.
func Of(files []string) Fingerprint {
	all := sha256.New()
	for _, file := range files {
		data, err := os.ReadFile(file)
		sum := sha256.Sum256(data)
		_, _ = fmt.Fprintf(all, "%q %x %t\n", file, sum, err == nil)
	}
	return Fingerprint(all.Sum(nil))
}
