//go:build unix

package listening

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// next is the process that takes a listener over, and does what it is told.
func next(how string) {
	given, err := Inherited("")
	if given == nil {
		fmt.Println("no listener:", err)
		return
	}
	switch how {
	case "serves":
		given.Ready()
		given.Fail(errors.New("too late"))
	case "fails":
		given.Fail(errors.New("no gpu\n"))
		given.Ready()
	case "fails at length":
		given.Fail(errors.New("x" + strings.Repeat("é", longest)))
	case "fails and hangs":
		given.Fail(errors.New("no gpu"))
		time.Sleep(time.Hour)
	case "hangs":
		time.Sleep(time.Hour)
	case "closes":
		_ = given.Close()
		given.Ready()
	}
}

// A process that fails says why and ends by itself. One that hangs is killed. Older variables of
// systemd change nothing.
func TestHandOver(t *testing.T) {
	listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	for _, name := range variables {
		t.Setenv(name, "2")
	}
	late := errors.New("late")
	for how, want := range map[string]string{
		"serves":          "",
		"fails":           "did not serve: exit status 0: no gpu",
		"fails at length": "did not serve: exit status 0: x" + strings.Repeat("é", longest/2-1),
		"ends":            "did not serve: exit status 0",
		"closes":          "did not serve: exit status 0",
		"hangs":           "did not serve in time: late",
		"fails and hangs": "did not serve in time: late: no gpu",
	} {
		t.Run(how, func(t *testing.T) {
			limit := time.Minute
			if strings.HasSuffix(how, "hangs") {
				limit = 10 * time.Second // "fails and hangs" needs a part of it to begin
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, late)
			defer cancel()
			t.Setenv(child, "over "+how)
			pid, err := HandOver(ctx, listener)
			if want == "" {
				check.OK(t, err)
				process := check.Value(os.FindProcess(pid))(t)
				check.Equal(t, check.Value(process.Wait())(t).ExitCode(), 0)
				return
			}
			if err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			check.Equal(t, errors.Is(err, late), ctx.Err() != nil)
			check.Equal(t, pid, 0)
		})
	}
}
