package runtime_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// A function can read its request, also if it runs detached or is called in process.
func TestRequest(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Reading", traffic(time.Minute, 0))
		describe := func(ctx context.Context, _ struct{}) (string, error) {
			r := runtime.RequestFrom(ctx)
			_, port, _ := strings.Cut(r.Peer(), ":")
			return fmt.Sprint(r.Header().Get("X-Tenant"), " ", r.Route(), " ", r.PathValue("id"), " ", len(r.ID()), " ", port != "" || r.Peer() == "pipe"), nil
		}
		below := runtime.Handle(app.AddService("Below"), "below", describe)
		runtime.Handle(app, "own", describe, runtime.Route("/own/{id}"))
		runtime.Handle(app, "passed", func(ctx context.Context, in struct{}) (string, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return below.Call(ctx, in)
		}, runtime.Route("/passed/{id}"))
		s := host.start(t, app)
		for path, want := range map[string]string{"/own/7": "blue /own/{id} 7 16 true", "/passed/8": "blue /passed/{id} 8 16 true"} {
			s.do("POST", path, "{}", "X-Tenant", "blue").want(t, 200, want)
		}
	})
}

// Without a request, all values are empty, and the methods of the response do nothing.
func TestNoRequest(t *testing.T) {
	r, response := runtime.RequestFrom(t.Context()), runtime.ResponseFrom(t.Context())
	if r != nil || response != nil {
		t.Errorf("got %v, %v", r, response)
	}
	check.Equal(t, fmt.Sprint(r.Header(), r.Route(), r.PathValue("x"), r.Peer(), r.ID()), "map[]")
	response.SetStatus(202)
	response.SetHeader("A", "b")
	response.AddHeader("A", "b")
	response.SetCookie(&http.Cookie{Name: "a", Value: "b"})
	if runtime.Logger(t.Context()) != slog.Default() {
		t.Error("Logger is not the default")
	}
}

// An error has the headers that the function set, except those about the result. What
// middleware set stays.
func TestHeadersOfAnError(t *testing.T) {
	const kept = "Retry-After Www-Authenticate X-Set"
	for name, test := range map[string]struct {
		err  error
		want string // the names of the headers that the function set
	}{
		"no error":    {nil, "Accept-Ranges Cache-Control Content-Disposition Content-Range Etag Expires Last-Modified Repr-Digest " + kept},
		"an error":    {runtime.Errorf(401, "who are you?"), "Cache-Control Expires " + kept},
		"a range":     {runtime.Errorf(416, "too far"), "Cache-Control Content-Range Expires " + kept},
		"a cause":     {&runtime.Error{Status: 503, Message: "later", Err: io.EOF}, "Cache-Control Expires " + kept},
		"any error":   {io.EOF, kept},
		"not allowed": {http.ErrNoCookie, kept},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp("Writing")
			app.Use(middlewareOf(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Encoding", "gzip")
				return true
			}))
			runtime.Handle(app, "set", func(ctx context.Context, _ struct{}) (string, error) {
				response := runtime.ResponseFrom(ctx)
				for _, name := range []string{"Accept-Ranges", "cache-control", "Content-Disposition", "Content-Range", "ETag", "Expires", "Last-Modified", "Repr-Digest", "Retry-After", "WWW-Authenticate", "X-Set"} {
					response.SetHeader(name, "set")
				}
				if test.err != nil {
					response.SetHeader("Trailer", "X-Set")
				}
				if test.err == http.ErrNoCookie {
					response.SetStatus(99)
					return "", nil
				}
				return "made", test.err
			})
			header := postTo(handler(t, app), "/set", "{}").Header()
			var got []string
			for name, values := range header {
				if values[0] == "set" {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if all := strings.Join(got, " "); all != test.want || header.Get("Trailer") != "" || header.Get("Content-Encoding") != "gzip" {
				t.Errorf("got %s, want %s, in %v", all, test.want, header)
			}
		})
	}
}

// A function sees the request as middleware passed it on.
func TestRequestOfMiddleware(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Cloned", traffic(time.Minute, 0))
		app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r = r.Clone(r.Context())
			r.Header.Del("X-User")
			r.Header.Set("X-Auth", "checked")
			r.RemoteAddr = "198.51.100.7:1"
			next.ServeHTTP(w, r)
		}))
		runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
			r := runtime.RequestFrom(ctx)
			return r.Header().Get("X-User") + r.Header().Get("X-Auth") + " " + r.Peer(), nil
		})
		host.start(t, app).do("POST", "/f", "{}", "X-User", "root").want(t, 200, "checked 198.51.100.7:1")
	})
}

// Middleware that replaces the context and hides the writer does not hide the route.
func TestRouteBehindOpaqueMiddleware(t *testing.T) {
	app := newApp("Opaque")
	app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&fragile{ResponseWriter: w}, r.WithContext(context.Background()))
	}))
	runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
		return runtime.RequestFrom(ctx).Route() + " " + runtime.RequestFrom(ctx).PathValue("name"), nil
	}, runtime.Route("/m/{name}"))
	check.Equal(t, call(handler(t, app), "POST", "/m/a", "{}"), "/m/{name} a")
}

// The id and the route of a request are there while its response waits for the client.
func TestRequestWhileTheClientDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Large")
		ids := make(chan string)
		runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
			go func() {
				time.Sleep(time.Second)
				_ = runtime.RequestFrom(ctx).Route() + runtime.RequestFrom(ctx).PathValue("name")
				ids <- runtime.RequestFrom(ctx).ID()
			}()
			return strings.Repeat("x", 50<<20), nil
		})
		s := servePipe(t, app)
		response := check.Value(s.http.Post(s.url+"/f", "", nil))(t)
		if id := <-ids; id == "" || id != response.Header.Get("X-BentoML-Request-ID") {
			t.Errorf("got %q", id)
		}
		_ = response.Body.Close()
	})
}
