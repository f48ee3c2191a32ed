package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/watch"
)

// configuration has the sources of an app's configuration, and the values in
// force.
type configuration struct {
	base   config.Config  // set by code
	source *config.Source // overrides base; nil: nothing is read

	current   atomic.Pointer[inForce]
	files     atomic.Pointer[[]string] // the files that current was read from
	read      watch.Fingerprint        // of files when they were read; guarded by reloading
	loaded    *config.Loaded           // what the app started with; nil: nothing was read
	early     error                    // of the configuration that New read
	reloading sync.Mutex
	level     slog.LevelVar
}

// inForce is a configuration, and values made from it that requests need. A reload
// replaces all of it.
type inForce struct {
	config.Config
	access accesslog.Settings
}

func (c *configuration) now() *inForce { return c.current.Load() }

func (c *configuration) set(cfg config.Config) {
	c.current.Store(&inForce{Config: cfg, access: accesslog.Settings{
		AccessLog: cfg.Logging.AccessLog, PathPrefix: cfg.HTTP.PathPrefix, IDs: accesslog.IDs{IDFormats: cfg.Logging.AccessLog.Format},
	}})
	c.level.Set(cfg.Logging.Level)
}

// located returns an error of a part that uses the configuration with the places of
// its keys.
func (c *configuration) located(err error, section string) error {
	if c.loaded == nil {
		return err
	}
	return c.loaded.Locate(err, section)
}

// start reads the configuration for the first time, when only the entry service
// is known, and keeps the error in c.early. complete reads it again when all names
// are known, and returns the errors.
func (c *configuration) start(opts options, entry string) {
	c.base, c.source = opts.config, opts.source
	c.files.Store(&[]string{})
	c.set(c.base)
	if c.source == nil {
		c.early = c.base.Validate()
		return
	}
	loaded, err := c.source.Load(c.base, entry)
	if c.early = err; err != nil {
		readable := c.base
		readable.Logging.Format = c.source.LogFormat(c.base)
		c.set(readable)
		return
	}
	c.files.Store(&loaded.Files)
	c.set(loaded.Config)
}

// complete reads the configuration that the app runs with. The sections that New has
// used keep their values. needRestart lists their keys that have changed since.
func (c *configuration) complete(names config.Names) (notices []config.Notice, needRestart []string, err error) {
	if c.source == nil {
		return c.base.Notices(), nil, errors.Join(names.Check(c.base), c.base.Validate())
	}
	loaded, err := c.load(names)
	switch {
	case err != nil:
		return nil, nil, err
	case c.early != nil: // New could not measure
		return nil, nil, fmt.Errorf("runtime.New read a configuration with an error that is gone now; start the program again: %w", c.early)
	}
	c.loaded = loaded
	kept, used := loaded.Config, c.now()
	kept.App, kept.Metrics, kept.Logging, kept.OTLP = used.App, used.Metrics, used.Logging, used.OTLP
	applied := kept.ApplyReloadable(loaded.Config)
	c.set(applied.Config)
	return loaded.Notices, applied.NeedRestart, nil
}

// load reads the source. If it names other files than before, it is read once more:
// the fingerprint of the files is made before the load, so that a change during the
// load is noticed.
func (c *configuration) load(names config.Names) (*config.Loaded, error) {
	before := *c.files.Load()
	c.read = watch.Of(before)
	loaded, err := c.source.LoadFor(c.base, names)
	if err != nil {
		return nil, err
	}
	c.files.Store(&loaded.Files)
	if !slices.Equal(before, loaded.Files) {
		return c.load(names)
	}
	return loaded, nil
}
