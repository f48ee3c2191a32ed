package openinferencegrpc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"connectrpc.com/connect"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
)

// call is one call over gRPC. It makes one request to the app.
type call struct {
	app    *protocol.App
	r      *http.Request // as it arrived
	inner  http.Handler
	answer *answer // of the app; nil: there is none yet
	code   string  // of the call
}

type callKey struct{}

// serveUnary makes a method for connect.
func serveUnary[In, Out any](serve func(*call, *In) (*Out, error)) func(context.Context, *connect.Request[In]) (*connect.Response[Out], error) {
	return func(ctx context.Context, in *connect.Request[In]) (*connect.Response[Out], error) {
		c := ctx.Value(callKey{}).(*call)
		out, err := serve(c, in.Msg)
		if err != nil {
			return nil, err
		}
		response := connect.NewResponse(out)
		c.answer.copyHeader(response.Header())
		return response, nil
	}
}

// codes keeps the code of each call.
func codes() connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, in connect.AnyRequest) (connect.AnyResponse, error) {
			out, err := next(ctx, in)
			if c := ctx.Value(callKey{}).(*call); err != nil {
				c.code = nameOf(connect.CodeOf(err))
			}
			return out, err
		}
	})
}

// answer is what the app has responded.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { a.WriteHeader(http.StatusOK); return a.body.Write(p) }
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.status = cmp.Or(a.status, status)
	}
}

// ask sends a request to a path of the app.
func (c *call) ask(method, path string, header map[string]string, body []byte) *answer {
	r := c.r.WithContext(c.r.Context())
	r.Method, r.URL, r.RequestURI = method, &url.URL{Path: path}, ""
	r.URL.RawQuery = c.r.URL.RawQuery
	r.Header = c.r.Header.Clone()
	for _, name := range ofTransport {
		r.Header.Del(name)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, int64(len(body)), nil, nil
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	to := &answer{header: http.Header{}}
	c.inner.ServeHTTP(to, r)
	to.WriteHeader(http.StatusOK)
	if errors.Is(r.Context().Err(), context.Canceled) {
		to.status = statusGone
	}
	c.answer = to
	return to
}

// ofTransport are headers that say how a message is sent, and nothing of the request.
var ofTransport = []string{"Content-Type", "Content-Length", "Te", "Grpc-Encoding", "Grpc-Accept-Encoding", "Accept-Encoding", "Content-Encoding"}

// refuse makes the refusal of a call a request to its own path, and returns the error of its response.
func (c *call) refuse(why *protocol.Failure) error {
	c.r = c.r.WithContext(protocol.WithFailure(c.r.Context(), why))
	err := c.ask(http.MethodPost, c.r.URL.Path, nil, nil).err()
	c.code = nameOf(connect.CodeOf(err))
	return err
}

// health asks a probe.
func (c *call) health(path string) (healthy bool, err error) {
	got := c.ask(http.MethodGet, c.app.Prefix+path, nil, nil)
	if got.status == http.StatusOK || got.status == http.StatusServiceUnavailable {
		return got.status == http.StatusOK, nil
	}
	return false, got.err()
}

// model returns the path of a model.
func (c *call) model(name, version string) (string, error) {
	if name == "" || strings.Contains(name, "/") || strings.Contains(version, "/") {
		return "", c.refuse(&protocol.Failure{Status: http.StatusBadRequest, Message: "the name of the model must be there, and name and version must have no slash"})
	}
	if version == "" {
		return "/v2/models/" + name, nil
	}
	return "/v2/models/" + name + "/versions/" + version, nil
}

// decode reads the JSON of a response.
func (a *answer) decode(to any) error {
	if a.status != http.StatusOK {
		return a.err()
	}
	if err := json.Unmarshal(a.body.Bytes(), to); err != nil {
		return connect.NewError(connect.CodeInternal, err)
	}
	return nil
}

// err returns the error that a response says.
func (a *answer) err() error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(a.body.Bytes(), &said) != nil || said.Error == "" {
		said.Error = cmp.Or(http.StatusText(a.status), "no response")
	}
	if len(said.Error) > mostMessage {
		said.Error = strings.ToValidUTF8(said.Error[:mostMessage], "") + "…"
	}
	err := connect.NewError(codeOf(a.status), errors.New(said.Error))
	a.copyHeader(err.Meta())
	return err
}

// mostMessage bounds the message of an error, in bytes. Clients refuse trailers of more than
// 8 KiB, and escaping makes three bytes of one.
const mostMessage = 2000

// copyHeader copies the headers that say something of the response.
func (a *answer) copyHeader(to http.Header) {
	for name, values := range a.header {
		switch name {
		case "Content-Type", "Content-Length", "Connection", "Date", lengthHeader:
		default:
			to[name] = values
		}
	}
}
