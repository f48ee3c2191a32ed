// Package settings has the configuration in force: it reads the sources at start and after
// each change. It knows no service.
package settings

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/watch"
)

// Settings has the sources of an app's configuration, and the values in force.
type Settings struct {
	Source *config.Source // overrides what code sets; nil: nothing is read
	Loaded *config.Loaded // what the app started with; nil: nothing was read
	Early  error          // of the configuration that Start read
	Level  slog.LevelVar
	Asked  atomic.Bool // a reload was asked for since the app began to prepare

	base      config.Config // set by code
	current   atomic.Pointer[InForce]
	files     atomic.Pointer[[]string] // the files that current was read from
	reloading sync.Mutex
	read      watch.Fingerprint // of files when they were read; guarded by reloading
}

// InForce is a configuration, and values made from it that requests need. A reload
// replaces all of it.
type InForce struct {
	config.Config
	Access accesslog.Settings
}

// Now returns the configuration in force.
func (c *Settings) Now() *InForce { return c.current.Load() }

func (c *Settings) set(cfg config.Config) {
	c.current.Store(&InForce{Config: cfg, Access: accesslog.Settings{
		AccessLog: cfg.Logging.AccessLog, PathPrefix: cfg.HTTP.PathPrefix, IDs: accesslog.IDs{IDFormats: cfg.Logging.AccessLog.Format},
	}})
	c.Level.Set(cfg.Logging.Level)
}

// Located returns an error of a part that uses the configuration with the places of
// its keys.
func (c *Settings) Located(err error, section string) error {
	if c.Loaded == nil {
		return err
	}
	return c.Loaded.Locate(err, section)
}

// Start reads the configuration for the first time, when only the entry service
// is known, and keeps the error in Early. Complete reads it again when all names
// are known, and returns the errors.
func (c *Settings) Start(base config.Config, source *config.Source, entry string) {
	c.base, c.Source = base, source
	c.files.Store(&[]string{})
	c.set(c.base)
	if c.Source == nil {
		c.Early = c.base.Validate()
		return
	}
	loaded, err := c.Source.Load(c.base, entry)
	if c.Early = err; err != nil {
		readable := c.base
		readable.Logging.Format = c.Source.LogFormat(c.base)
		c.set(readable)
		return
	}
	c.files.Store(&loaded.Files)
	c.set(loaded.Config)
}

// Complete reads the configuration that the app runs with. The sections that New has
// used keep their values. needRestart lists their keys that have changed since.
func (c *Settings) Complete(names config.Names) (notices []config.Notice, needRestart []string, err error) {
	if c.Source == nil {
		return c.base.Notices(), nil, errors.Join(names.Check(c.base), c.base.Validate())
	}
	loaded, err := c.load(names)
	switch {
	case err != nil:
		return nil, nil, err
	case c.Early != nil: // New could not measure
		return nil, nil, fmt.Errorf("runtime.New read a configuration with an error that is gone now; start the program again: %w", c.Early)
	}
	c.Loaded = loaded
	kept, used := loaded.Config, c.Now()
	kept.App, kept.Metrics, kept.Logging, kept.OTLP = used.App, used.Metrics, used.Logging, used.OTLP
	applied := kept.ApplyReloadable(loaded.Config)
	c.set(applied.Config)
	return loaded.Notices, applied.NeedRestart, nil
}

// load reads the source. If it names other files than before, it is read once more:
// the fingerprint of the files is made before the load, so that a change during the
// load is noticed.
func (c *Settings) load(names config.Names) (*config.Loaded, error) {
	before := *c.files.Load()
	c.read = watch.Of(before)
	loaded, err := c.Source.LoadFor(c.base, names)
	if err != nil {
		return nil, err
	}
	c.files.Store(&loaded.Files)
	if !slices.Equal(before, loaded.Files) {
		return c.load(names)
	}
	return loaded, nil
}

// Reload reads the source again, and replaces the keys that can change while a server
// runs. done gets the result; no other reload begins before it returns. With changed, it
// does nothing if no file has changed since it was read, and after an error it reads once
// more: a program may still be writing the file.
func (c *Settings) Reload(names config.Names, changed bool, done func(config.Reloaded, error)) error {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	if changed && watch.Of(*c.files.Load()) == c.read {
		return nil
	}
	loaded, err := c.load(names)
	if err != nil && changed {
		time.Sleep(tornWrite)
		loaded, err = c.load(names)
	}
	if err != nil {
		done(config.Reloaded{}, err)
		return err
	}
	applied := c.Now().ApplyReloadable(loaded.Config)
	c.set(applied.Config)
	done(applied, nil)
	return nil
}

// tornWrite is how long a program may take to write a file. An error in a file that
// has just changed is reported only if the file still has it afterwards.
const tornWrite = 100 * time.Millisecond

// Follow calls changed when a file of the source may have changed, until ctx ends.
func (c *Settings) Follow(ctx context.Context, changed func()) error {
	if c.Source == nil || len(*c.files.Load()) == 0 {
		return nil
	}
	c.reloading.Lock()
	before := c.read
	c.reloading.Unlock()
	return watch.Files(ctx, before, func() []string { return *c.files.Load() }, changed)
}
