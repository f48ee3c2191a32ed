package runtime

import (
	"fmt"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
)

// spool says where the files of a request are kept.
func (a *App) spool() body.Spool {
	set := a.conf.Now().Files
	return body.Spool{Memory: set.Memory, Directory: set.Directory, MaxFiles: set.MaxFiles}
}

// checkSpool returns an error if an API takes files and they cannot be kept.
func (a *App) checkSpool() error {
	for _, svc := range a.services {
		for _, one := range svc.apis {
			if accepts := one.codec.accepts(); !accepts.Whole && accepts.IsFile == nil {
				continue
			}
			if err := a.spool().Check(); err != nil {
				return fmt.Errorf("files.directory: %w, and API %q takes files", err, one.name)
			}
			return nil
		}
	}
	return nil
}
