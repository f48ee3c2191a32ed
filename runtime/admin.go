package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ekiben-serving/ekiben/internal/linked"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/background"
	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
	"github.com/ekiben-serving/ekiben/runtime/internal/listening"
	"github.com/ekiben-serving/ekiben/runtime/internal/static"
	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

// admin is the admin door: a server beside that of the APIs, for /metrics, probes, the home
// page and profiles. Its requests are not measured.
type admin struct {
	handler http.Handler // nil: admin.enabled is false
	addr    atomic.Pointer[net.Addr]

	mu     sync.Mutex
	server *http.Server // nil before it listens
	ended  func()       // waits for the goroutines of server
	busy   error        // why it is not open yet: the process before this one still has the port
	closed bool
}

// AdminAddr returns the address of the admin door, or nil before it is open and if
// admin.enabled is false. With admin.port 0, it has the port that the system chose.
func (a *App) AdminAddr() net.Addr {
	if addr := a.admin.addr.Load(); addr != nil {
		return *addr
	}
	return nil
}

// checkAdmin returns the errors of admin.web_config_file and admin.profiles.
func (a *App) checkAdmin() error {
	cfg := a.conf.Now().Admin
	if !cfg.Enabled {
		return nil
	}
	err := checkWebConfig(cfg)
	if _, missing := linked.Profiles.Get(); missing != nil && cfg.Profiles {
		err = errors.Join(err, fmt.Errorf("admin.profiles: %w", missing))
	}
	return err
}

func checkWebConfig(cfg config.Admin) error {
	if cfg.WebConfigFile == "" {
		return nil
	}
	web, err := linked.WebConfig.Get()
	if err != nil {
		return fmt.Errorf("admin.web_config_file: %w", err)
	}
	if err := web.Validate(cfg.WebConfigFile); err != nil {
		return fmt.Errorf("admin.web_config_file: %s: %w", cfg.WebConfigFile, err)
	}
	return nil
}

// profilesPath is below which package profiles serves.
const profilesPath = "/debug/pprof/"

// openAdmin makes the handler of the admin door.
func (a *App) openAdmin() error {
	cfg := a.conf.Now()
	if !cfg.Admin.Enabled {
		return nil
	}
	paths := []string{"/healthz", "/livez", "/readyz", "/debug/slow"}
	mux := http.NewServeMux()
	if a.telemetry.Exporter != nil {
		paths = append(paths, "/metrics")
		mux.Handle("/metrics", a.telemetry.Exporter)
	}
	if cfg.Admin.Profiles {
		profiles, err := linked.Profiles.Get()
		if err != nil {
			return err // checkAdmin has found it
		}
		paths = append(paths, profilesPath)
		mux.Handle(profilesPath, profiles)
	}
	mux.Handle("/debug/slow", a.slowHandler())
	page := a.homePage()
	if page.Admin = true; a.telemetry.Exporter != nil {
		page.Metrics = ui.Here
	}
	slices.Sort(paths)
	own, err := a.ownHandlers(page, "GET "+strings.Join(paths, "\nGET "))
	for path, handler := range own {
		if path == "/" {
			path = "/{$}"
		}
		mux.Handle(path, handler)
	}
	mux.Handle("/", static.NotFound)
	a.admin.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conns.Of(r.Context()).Handling()
		leavingBody(w, r, mux)
	})
	a.atShutdown(closeAdmin, "admin", a.closeAdmin)
	return err
}

// listenAdmin opens the admin door, which [App.closeAdmin] closes. succeeds says that another
// process hands its listener over: if that has the port, awaitAdmin opens the door.
func (a *App) listenAdmin(ctx context.Context, succeeds bool) error {
	cfg := a.conf.Now()
	if a.admin.handler == nil || ctx.Err() != nil {
		return nil
	}
	a.admin.mu.Lock()
	defer a.admin.mu.Unlock()
	if a.admin.closed {
		return nil
	}
	listener, err := a.listen(ctx, "admin", cfg.Admin.Host, cfg.Admin.Port)
	a.admin.busy = nil
	switch {
	case succeeds && errors.Is(err, syscall.EADDRINUSE):
		a.admin.busy = err
		return nil
	case err != nil:
		return err
	}
	open := conns.Listen(listener, limitsOf(cfg.HTTP.Limits))
	server := a.newServer(a.admin.handler, open)
	addr := listener.Addr()
	a.admin.addr.Store(&addr)
	swept, served := background.Start(context.WithoutCancel(ctx), open.Sweep), make(chan struct{})
	go func() {
		defer close(served)
		if err := a.serveAdmin(open, server, cfg.Admin.WebConfigFile); !errors.Is(err, http.ErrServerClosed) {
			a.log.logger.Error("the admin door is closed", "address", addr.String(), "error", err)
		}
	}()
	a.admin.server, a.admin.ended = server, func() { <-served; swept() }
	return nil
}

// awaitAdmin opens the admin door as soon as the process before this one has closed its own. Both
// at the same port would show the numbers of one or the other. If an attempt fails after the end of
// that process, another program has the port: the first such error is logged.
func (a *App) awaitAdmin(ctx context.Context) {
	alone, warned := false, false
	for waited := false; ; waited = true {
		open, busy := a.adminState()
		switch {
		case busy != nil && !waited:
			a.log.logger.Info("the admin door opens when the process before this one has closed its own")
		case busy != nil && alone && !warned:
			warned = true
			a.log.logger.Warn("the admin door is not open: another program uses its port; it opens when the port is free", "error", busy)
		case waited && open:
			a.log.logger.Info("the admin door is open", "address", a.AdminAddr().String())
		}
		if busy == nil || ctx.Err() != nil {
			return
		}
		background.Sleep(ctx, awaitingAdmin)
		alone = listening.GiverEnded(*a.life.listener.Load()) // before the attempt: it closes its door before it ends
		if err := a.listenAdmin(ctx, true); err != nil {
			a.log.logger.Error("the admin door stays closed", "error", err)
			return
		}
	}
}

// adminState reports whether the admin door is open, and why it waits for its port, if it does.
func (a *App) adminState() (open bool, busy error) {
	a.admin.mu.Lock()
	defer a.admin.mu.Unlock()
	if !a.admin.closed {
		busy = a.admin.busy
	}
	return a.admin.server != nil, busy
}

// awaitingAdmin is the time between two attempts to open the admin door.
const awaitingAdmin = 100 * time.Millisecond

// serveAdmin serves until the server is shut down.
func (a *App) serveAdmin(listener net.Listener, server *http.Server, webConfigFile string) error {
	if webConfigFile == "" {
		return server.Serve(listener)
	}
	web, err := linked.WebConfig.Get()
	if err != nil {
		return err
	}
	quiet := slog.New(warnings{a.log.logger.Handler()}) // else three lines say where it listens
	return errors.Join(web.Serve(listener, server, webConfigFile, quiet), ignoreClosed(listener.Close()))
}

// closeAdmin closes the admin door. Scrapes that have begun are responded to. What takes
// longer than ctx, such as a profile, is cut off, which is no error: it is no request of a
// client.
func (a *App) closeAdmin(ctx context.Context) error {
	a.admin.mu.Lock()
	defer a.admin.mu.Unlock()
	if a.admin.closed = true; a.admin.server == nil {
		return nil
	}
	if a.admin.server.Shutdown(ctx) != nil {
		_ = a.admin.server.Close()
	}
	a.admin.ended()
	return nil
}

// warnings is a handler of logs that drops lines below warn.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}
