package runtime

import (
	"fmt"
)

// tooLate reports whether a declaration came after the app was sealed. Such a declaration has
// no effect, because requests may be reading what it would change. While the app starts, it
// makes the start fail; else it is logged.
func (a *App) tooLate(what string) bool {
	if !a.life.sealed.Load() {
		return false
	}
	a.life.mu.Lock()
	begun := a.life.begun
	a.life.mu.Unlock()
	switch {
	case a.life.startup.refuse(fmt.Errorf("%s: declared while the app starts, for example in OnStart: declare before App.Run, App.Serve or App.Handler", what)):
	case begun:
		a.log.logger.Error("declaration ignored: the app runs already", "declaration", what)
	default:
		a.log.logger.Error("declaration ignored: the app was checked, or could not start", "declaration", what)
	}
	return true
}

// refuse keeps the error of a declaration, if the app is starting.
func (s *startup) refuse(late error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting {
		s.late = append(s.late, late)
	}
	return s.starting
}
