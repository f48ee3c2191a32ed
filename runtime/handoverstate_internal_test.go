package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// At most one process starts at a time. After one that fails another may start, after one that
// serves none.
func TestOneHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h handing
		lost := errors.New("lost")
		starting := func(err error) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return 7, err
			}
		}
		go func() { _, _ = h.run(t.Context(), starting(lost)) }()
		synctest.Wait()
		_, err := h.run(t.Context(), starting(nil))
		check.Error(t, err, errHanding.Error())
		time.Sleep(time.Second)
		synctest.Wait()
		check.Equal(t, h.handedOver(), false)
		check.Equal(t, check.Value(h.run(t.Context(), starting(nil)))(t), 7)
		check.Equal(t, h.handedOver(), true)
		_, err = h.run(t.Context(), starting(nil))
		check.Error(t, err, errHandedOver.Error())
		check.Equal(t, h.drain(), true)
		_, err = h.run(t.Context(), starting(nil))
		check.Error(t, err, errHandedOver.Error())
	})
}

// A drain ends a hand-over that runs, whatever its context, and waits for its result: the socket
// file stays if the new process serves, and goes if it does not.
func TestDrainDuringHandOver(t *testing.T) {
	for name, lost := range map[string]bool{"it serves": false, "it is killed": true} {
		t.Run(name, func(t *testing.T) {
			folder := check.Value(os.MkdirTemp("", "ekiben"))(t) // a path of t.TempDir may be too long for a socket
			defer os.RemoveAll(folder)
			cfg := config.Default()
			cfg.HTTP.Socket.Path = filepath.Join(folder, "s")
			cfg.Shutdown.Delay = 0
			app := New("Handing", WithConfig(cfg))
			Handle(app, "echo", func(_ context.Context, in string) (string, error) { return in, nil })
			ctx, stop := context.WithCancel(t.Context())
			ended, starting, handed := make(chan error, 1), make(chan struct{}), make(chan error, 1)
			go func() { ended <- app.Run(ctx) }()
			for app.Addr() == nil {
				time.Sleep(time.Millisecond)
			}
			go func() {
				_, err := app.life.handing.run(context.Background(), func(ctx context.Context) (int, error) {
					close(starting)
					select {
					case <-ctx.Done():
					case <-time.After(5 * time.Second): // a drain that does not end it has ended before
					}
					time.Sleep(50 * time.Millisecond) // the drain waits meanwhile
					if lost {
						return 0, context.Cause(ctx)
					}
					return 7, nil
				})
				handed <- err
			}()
			<-starting
			stop()
			check.OK(t, <-ended)
			_, err := os.Stat(cfg.HTTP.Socket.Path)
			check.Equal(t, errors.Is(err, os.ErrNotExist), lost)
			check.Equal(t, errors.Is(<-handed, errDraining), lost)
			check.Error(t, app.HandOver(t.Context()), errNotServing.Error())
		})
	}
}
