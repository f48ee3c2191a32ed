package runtime_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

// A function sets status, headers and cookies, for a success and for an Error.
// Headers of the server are ignored.
func TestResponse(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Writing", traffic(time.Minute, 0))
		var kept *runtime.Response
		runtime.Handle(app, "set", func(ctx context.Context, in text) (string, error) {
			response := runtime.ResponseFrom(ctx)
			kept = response
			response.SetHeader("X-Set", "first")
			response.SetHeader("x-set", "second")
			response.AddHeader("X-Added", "a")
			response.AddHeader("X-Added", "b")
			response.AddHeader("Vary", "X-Tenant")
			response.SetCookie(&http.Cookie{Name: "one", Value: "1", HttpOnly: true})
			response.SetCookie(&http.Cookie{Name: "two", Value: "2"})
			response.SetHeader("Content-Length", "99")
			for _, server := range []string{"Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Trailer"} {
				response.SetHeader(server, "chunked")
			}
			response.SetHeader("Content-Type", "text/markdown")
			switch in.Text {
			case "error":
				response.SetStatus(202)
				return "", runtime.Errorf(http.StatusConflict, "taken")
			case "empty":
				response.SetStatus(http.StatusNoContent)
				return "", nil
			case "reset":
				response.SetStatus(http.StatusResetContent)
				return "not sent", nil
			case "long":
				return strings.Repeat("x", 5000), nil
			}
			response.SetStatus(http.StatusCreated)
			return "made", nil
		})
		app.Use(middlewareOf(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Add("Vary", "Accept")
			w.Header().Add("Set-Cookie", "zero=0")
			return true
		}))
		s := host.start(t, app)
		for in, test := range map[string]struct {
			status      int
			body        string
			contentType string
		}{
			"made": {201, "made", "text/markdown"}, "empty": {204, "", "text/markdown"}, "reset": {205, "", "text/markdown"}, "long": {200, strings.Repeat("x", 5000), "text/markdown"},
			"error": {409, `{"error":"taken"}`, "application/json"},
		} {
			got := s.post("/set", `{"text":"`+in+`"}`)
			got.want(t, test.status, test.body)
			h := got.header
			for name, values := range h {
				if slices.Contains(values, "chunked") {
					t.Errorf("%s: %s is sent", in, name)
				}
			}
			want := fmt.Sprint("[second] [a b] [Accept X-Tenant] [zero=0 one=1; HttpOnly two=2] ", test.contentType, " BentoML Service/Writing")
			if all := fmt.Sprint(h["X-Set"], h["X-Added"], h["Vary"], h["Set-Cookie"], " ", h.Get("Content-Type"), " ", h.Get("Server")); strings.ReplaceAll(all, "][", "] [") != want {
				t.Errorf("%s: got %s\nwant %s", in, all, want)
			}
			kept.SetHeader("X-Late", "yes") // after the response: no effect, no panic
		}
	})
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

// A value that HTTP does not allow is a 500, and the log says which.
func TestResponseNotAllowed(t *testing.T) {
	for name, test := range map[string]struct {
		set func(*runtime.Response)
		log string
	}{
		"status":             {func(r *runtime.Response) { r.SetStatus(404) }, "SetStatus(404): the status must be 200 to 399; to fail, return a runtime.Error"},
		"status of progress": {func(r *runtime.Response) { r.SetStatus(103) }, "SetStatus(103): the status must be"},
		"no status":          {func(r *runtime.Response) { r.SetStatus(0) }, "SetStatus(0): the status must be"},
		"cookie":             {func(r *runtime.Response) { r.SetCookie(&http.Cookie{Name: "not legal"}) }, "SetCookie: http: invalid Cookie.Name"},
		"no cookie":          {func(r *runtime.Response) { r.SetCookie(nil) }, "SetCookie: http: nil Cookie"},
		"header":             {func(r *runtime.Response) { r.SetHeader("X Set", "a") }, `"X Set\" is not a name that a header can have`},
		"value":              {func(r *runtime.Response) { r.SetHeader("x-set", "a\r\nX-Other: b") }, `header X-Set: the value must not have control characters except tabs, found`},
		"value of two":       {func(r *runtime.Response) { r.AddHeader("X-Set", "a\tb"); r.AddHeader("X-Set", "a\x00b") }, `found \"a\\x00b\"`},
		"value of a cookie":  {func(r *runtime.Response) { r.AddHeader("Set-Cookie", "a=\nb") }, `header Set-Cookie: the value must not`},
		"the first of two":   {func(r *runtime.Response) { r.AddHeader("", "a"); r.SetStatus(99) }, `"\" is not a name that a header can have`},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			app := newApp("Writing", runtime.WithLogger(textLogger(&log)))
			runtime.Handle(app, "set", func(ctx context.Context, _ struct{}) (string, error) {
				test.set(runtime.ResponseFrom(ctx))
				runtime.ResponseFrom(ctx).AddHeader("X-Added", "a")
				return "made", nil
			})
			w := httptest.NewRecorder()
			handler(t, app).ServeHTTP(w, httptest.NewRequest("POST", "/set", strings.NewReader("{}")))
			if added := w.Header()["X-Added"]; w.Code != 500 || !strings.Contains(w.Body.String(), "unexpected error") || len(added) != 1 {
				t.Errorf("got %d %s, X-Added %v", w.Code, w.Body, added)
			}
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("the log lacks %q:\n%s", test.log, &log)
			}
		})
	}
	var none *runtime.Response
	none.SetStatus(404) // nothing happens
	none.SetCookie(nil)
	none.SetHeader("X Set", "a")
}

// Logger has the ids of the request and its trace, and the app's level and
// format.
func TestLogger(t *testing.T) {
	var log bytes.Buffer
	app := newApp("Logging", runtime.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})).With("app", "mine")))
	runtime.Handle(app, "log", func(ctx context.Context, _ struct{}) (string, error) {
		logger := runtime.Logger(ctx)
		logger.Info("not shown")
		logger.WithGroup("g").Warn("shown", "n", 1)
		return "", nil
	})
	id := direct(t, app).post("/log", "{}").header.Get("X-BentoML-Request-ID")
	if want := `,"level":"WARN","msg":"shown","app":"mine","request_id":"` + id + `","g":{"n":1}}` + "\n"; !strings.HasSuffix(log.String(), want) {
		t.Errorf("logged %s\nwant %s", log.String(), want)
	}
}

// A function sees the request as middleware passed it on.
func TestRequestOfMiddleware(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Cloned", traffic(time.Minute, 0))
		app.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r = r.Clone(r.Context())
				r.Header.Del("X-User")
				r.Header.Set("X-Auth", "checked")
				r.RemoteAddr = "198.51.100.7:1"
				next.ServeHTTP(w, r)
			})
		})
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
	app.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&fragile{ResponseWriter: w}, r.WithContext(context.Background()))
		})
	})
	runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
		return runtime.RequestFrom(ctx).Route() + " " + runtime.RequestFrom(ctx).PathValue("name"), nil
	}, runtime.Route("/m/{name}"))
	check.Equal(t, call(handler(t, app), "POST", "/m/a", "{}"), "/m/{name} a")
}

// The id of a request is there while its response waits for the client.
func TestIDWhileTheClientDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Large")
		ids := make(chan string)
		runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
			go func() {
				time.Sleep(time.Second)
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
