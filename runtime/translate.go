package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/pattern"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
)

// translated is the codec of an API at a route of another protocol.
type translated struct {
	codec

	to protocol.Translator
}

func (t *translated) serve(c *call, s *scratch) error {
	most := c.api.service.app.conf.Now().HTTP.MaxBodySize
	decoded, reply, err := t.to.Decode(&c.ctx, c.r.Header, s.body.Bytes(), most)
	switch {
	case errors.Is(err, protocol.ErrTooLarge):
		refused := body.TooLarge(most)
		return &Error{Status: refused.Status, Message: refused.Message}
	case err != nil && c.ctx.Err() != nil:
		return c.ctx.Err()
	case err != nil:
		return &Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	s.body.Hold(int64(len(decoded)))
	s.body.Buffer.Reset()
	s.body.Write(decoded)
	if err := t.codec.serve(c, s); err != nil {
		return err
	}
	encoded, header, err := reply.Encode(s.out.Bytes())
	if err != nil {
		return err
	}
	s.out.Reset()
	s.out.Write(encoded)
	c.response.dropAboutResult()
	for name, value := range header {
		c.response.SetHeader(name, value)
	}
	return nil
}

// accepts returns that a body is neither a form nor a file.
func (t *translated) accepts() body.Accepts { return body.Accepts{} }

// checkProtocols returns an error for a protocol that the program does not link.
func (a *App) checkProtocols() error {
	if _, missing := protocol.OpenInference.Get(); missing != nil && a.conf.Now().HTTP.OpenInference {
		return fmt.Errorf("http.open_inference: %w", missing)
	}
	return nil
}

// addProtocols adds the routes of other protocols to the route table.
func (a *App) addProtocols(t *routes) error {
	if !a.conf.Now().HTTP.OpenInference {
		return nil
	}
	found, err := protocol.OpenInference.Get()
	if err != nil {
		return err // checkProtocols has found it
	}
	added, err := found.Routes(a.asProtocol())
	if err != nil {
		return fmt.Errorf("http.open_inference: %w", err)
	}
	var errs []error
	for _, one := range added {
		errs = append(errs, a.addProtocolRoute(t, one))
	}
	return errors.Join(errs...)
}

func (a *App) addProtocolRoute(t *routes, one protocol.Route) error {
	parsed, err := pattern.Parse(one.Path)
	if err != nil {
		return fmt.Errorf("http.open_inference: %s: %w", one.Path, err)
	}
	if err := a.freePath(one.Path, parsed); err != nil {
		return err
	}
	r := &route{label: cmp.Or(one.Probe, one.Path), handler: withPathValues(one.Handler), probe: one.Probe != "", wildcards: parsed.Names()}
	if one.Translator != nil {
		api := a.apis[one.API]
		r = &route{label: api.route, endpoint: api.endpoint, handler: api, codec: &translated{api.codec, one.Translator}}
	} else if r.endpoint, err = a.metrics.Endpoint(r.label); err != nil {
		return err
	}
	r.pattern = t.prefix + one.Path
	if parsed.Exact() {
		t.exact[one.Path] = r
	} else {
		t.patterns = append(t.patterns, patternRoute{parsed, r})
	}
	return nil
}

// freePath returns an error if an API or a mount has a path of a protocol.
func (a *App) freePath(path string, parsed pattern.Pattern) error {
	for _, api := range a.apis {
		for _, route := range api.paths() {
			_, taken := parsed.Match(route)
			if p, err := pattern.Parse(route); taken || err == nil && p.SameShape(parsed) {
				return fmt.Errorf("http.open_inference: API %q has the route %s, which is the protocol's (%s); give it another", api.name, route, path)
			}
		}
	}
	for _, one := range a.mounts {
		if one.path != "/" && strings.HasPrefix(path+"/", one.path+"/") {
			return fmt.Errorf("http.open_inference: a handler is mounted at %s, which has the protocol's path %s; mount it elsewhere", one.path, path)
		}
	}
	return nil
}

// withPathValues gives a handler the values of the wildcards of its route.
func withPathValues(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x := behind(w); x != nil {
			for i, name := range x.match.route.wildcards {
				r.SetPathValue(name, x.match.values[i])
			}
		}
		next.ServeHTTP(w, r)
	})
}

// asProtocol describes the app for another protocol.
func (a *App) asProtocol() protocol.App {
	as := protocol.App{Name: a.identity.Name, Version: a.conf.Now().App.Version, Live: a.liveness(), Ready: a.readiness()}
	for _, one := range a.apis {
		api := protocol.API{Name: one.name}
		switch {
		case one.stream != nil:
			api.Unfit = "it is a stream"
		case !one.pattern.Exact():
			api.Unfit = "its route has wildcards"
		default:
			api.Input, api.Output = one.codec.input().Layout(), one.codec.output().Layout()
		}
		if one.batch != nil {
			api.Items = one.batch.items
		}
		as.APIs = append(as.APIs, api)
	}
	return as
}
