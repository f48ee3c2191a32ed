// Package watch detects changes of files: a file may be written in place, replaced by
// a rename, removed and made again, or reached through a symbolic link that is
// replaced, as in ConfigMaps that Kubernetes mounts.
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
	// settle is how long events are collected: an editor makes several for one
	// change.
	settle = 20 * time.Millisecond
	// poll is how often the files are checked without an event: network file systems
	// have no events, and a directory that is replaced loses its watch.
	poll = 10 * time.Second
)

// Fingerprint is a hash of the content of files at one time.
type Fingerprint [sha256.Size]byte

// Files calls changed each time the content of one of the files has changed, until
// ctx ends. The first comparison is with before. files is called each time, because a
// file can name others. A file that becomes unreadable, or readable, has changed.
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
		case <-watcher.Errors: //nolint:errcheck // events were lost: check the files, as after an event
		case <-ticker.C:
		}
	}
}

// gather waits until no more events come.
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

// follow watches the directory of each file, and the directories of the symbolic
// links that lead to it.
func follow(watcher *fsnotify.Watcher, files []string) {
	for _, file := range files {
		for range 16 { // links to links; ends a loop of links
			_ = watcher.Add(filepath.Dir(file)) // a missing directory is tried again at the next poll
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

// Of returns the current fingerprint of files.
func Of(files []string) Fingerprint {
	all := sha256.New()
	for _, file := range files {
		data, err := os.ReadFile(file)
		sum := sha256.Sum256(data)
		_, _ = fmt.Fprintf(all, "%q %x %t\n", file, sum, err == nil)
	}
	return Fingerprint(all.Sum(nil))
}
