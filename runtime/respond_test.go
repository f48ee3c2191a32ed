package runtime_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A refusal on HTTP/2 keeps the connection, which carries requests of others.
func TestRefusalKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveH2C(t, newEcho(settings(func(c *config.Config) { c.HTTP.H2C, c.HTTP.MaxBodySize = true, 10 })))
		for i := range 5 {
			reused := false
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
			request := check.Value(http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/echo", strings.NewReader(strings.Repeat(" ", 100))))(t)
			response := check.Value(s.http.Do(request))(t)
			_ = readAll(t, response)
			if response.StatusCode != http.StatusRequestEntityTooLarge || reused != (i > 0) {
				t.Errorf("%d: got %d on a connection that was reused: %t", i, response.StatusCode, reused)
			}
			synctest.Wait()
		}
	})
}

// A refusal does not wait for a body that does not come, also on a user's server.
func TestRefusalBeforeTheBody(t *testing.T) {
	for name, serve := range map[string]func(*testing.T, *runtime.App) *server{"own": servePipe, "user's": foreignPipe} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { refusalBeforeTheBody(t, serve) })
		})
	}
}

func refusalBeforeTheBody(t *testing.T, serve func(*testing.T, *runtime.App) *server) {
	app := newEcho()
	app.Use(middlewareOf(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Unknown") != "" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return false
		}
		return true
	}))
	s := serve(t, app)
	for head, want := range map[string]string{
		"POST /nope HTTP/1.1":                         "404",
		"PUT /echo HTTP/1.1":                          "405",
		"POST /echo HTTP/1.1\r\nContent-Encoding: br": "415",
		"POST /echo HTTP/1.1\r\nUnknown: yes":         "401",
		"GET /livez HTTP/1.1":                         "200",
	} {
		conn, began := s.dial(), time.Now()
		_, _ = io.WriteString(conn, head+"\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		got, _ := io.ReadAll(conn)
		if !strings.HasPrefix(string(got), "HTTP/1.1 "+want) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: after %s got %q", head, time.Since(began), got)
		}
		_ = conn.Close()
	}
	conn := s.dial()
	responses := bufio.NewReader(conn)
	for _, want := range []int{404, 404, 200} { // a body that comes keeps the connection
		path := map[int]string{404: "/nope", 200: "/echo"}[want]
		_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		response, err := http.ReadResponse(responses, nil)
		if err != nil || response.StatusCode != want {
			t.Fatalf("got %v, %v, want %d", response, err, want)
		}
		_ = readAll(t, response)
		time.Sleep(time.Minute)
	}
	_ = conn.Close()
}

// setResponses are what a function sets and returns, and what is sent.
var setResponses = map[string]struct {
	status     int // 0: none is set
	result     string
	err        error
	wantStatus int
	wantBody   string
}{
	"made":   {201, "made", nil, 201, "made"},
	"empty":  {204, "", nil, 204, ""},
	"reset":  {205, "not sent", nil, 205, ""},
	"teapot": {418, "tea", nil, 418, "tea"},
	"broken": {500, "half a result", nil, 500, "half a result"},
	"long":   {0, strings.Repeat("x", 5000), nil, 200, strings.Repeat("x", 5000)},
	"error":  {202, "", runtime.Errorf(409, "taken"), 409, `{"error":"taken"}`},
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
			set := setResponses[in.Text]
			if set.status != 0 {
				response.SetStatus(set.status)
			}
			return set.result, set.err
		})
		app.Use(middlewareOf(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Add("Vary", "Accept")
			w.Header().Add("Set-Cookie", "zero=0")
			return true
		}))
		s := host.start(t, app)
		for in, test := range setResponses {
			got := s.post("/set", `{"text":"`+in+`"}`)
			got.want(t, test.wantStatus, test.wantBody)
			h, contentType := got.header, "text/markdown"
			if test.err != nil {
				contentType = "application/json"
			}
			for name, values := range h {
				if slices.Contains(values, "chunked") {
					t.Errorf("%s: %s is sent", in, name)
				}
			}
			want := fmt.Sprint("[second] [a b] [Accept X-Tenant] [zero=0 one=1; HttpOnly two=2] ", contentType, " BentoML Service/Writing")
			if all := fmt.Sprint(h["X-Set"], h["X-Added"], h["Vary"], h["Set-Cookie"], " ", h.Get("Content-Type"), " ", h.Get("Server")); strings.ReplaceAll(all, "][", "] [") != want {
				t.Errorf("%s: got %s\nwant %s", in, all, want)
			}
			kept.SetHeader("X-Late", "yes") // after the response: no effect, no panic
		}
	})
}

// A value that HTTP does not allow is a 500, and the log says which.
func TestResponseNotAllowed(t *testing.T) {
	for name, test := range map[string]struct {
		set func(*runtime.Response)
		log string
	}{
		"status":             {func(r *runtime.Response) { r.SetStatus(600) }, "SetStatus(600): the status must be 200 to 599"},
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

func TestContentType(t *testing.T) {
	app := newApp("Typed")
	runtime.Handle(app, "page", func(context.Context, struct{}) (string, error) { return "<p>", nil }, runtime.ContentType("text/html"))
	s := direct(t, app)
	if got := s.post("/page", "{}"); got.body != "<p>" || got.header.Get("Content-Type") != "text/html" {
		t.Errorf("got %+v", got)
	}
	if docs := s.do("GET", "/docs.json", "").body; !strings.Contains(docs, `"text/html"`) {
		t.Errorf("the document lacks it:\n%s", docs)
	}
}
