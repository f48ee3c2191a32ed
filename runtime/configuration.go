package runtime

import (
	"errors"
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
// is known. It reports whether it is valid. complete reads it again when all
// names are known, and returns the errors.
func (c *configuration) start(opts options, entry string) (valid bool) {
	c.base, c.source = opts.config, opts.source
	c.files.Store(&[]string{})
	c.set(c.base)
	if c.source == nil {
		return c.base.Validate() == nil
	}
	loaded, err := c.source.Load(c.base, entry)
	if err != nil {
		readable := c.base
		readable.Logging.Format = c.source.LogFormat(c.base)
		c.set(readable)
		return false
	}
	c.files.Store(&loaded.Files)
	c.set(loaded.Config)
	return true
}

// complete reads the configuration that the app runs with.
func (c *configuration) complete(names config.Names) ([]config.Notice, error) {
	if c.source == nil {
		return c.base.Notices(), errors.Join(names.Check(c.base), c.base.Validate())
	}
	loaded, err := c.load(names)
	if err != nil {
		return nil, err
	}
	c.loaded = loaded
	c.set(loaded.Config)
	return loaded.Notices, nil
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
