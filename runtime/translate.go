package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ekiben-serving/ekiben/internal/linked"
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
		return tooLarge(most)
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

// protocols returns the protocols that are switched on, with their keys.
func (a *App) protocols() (keys []string, parts []*linked.Part[protocol.Protocol]) {
	cfg := a.conf.Now().HTTP
	if cfg.OpenInferenceGRPC {
		keys, parts = append(keys, "http.open_inference_grpc"), append(parts, protocol.OpenInferenceGRPC)
	}
	if cfg.OpenInference {
		keys, parts = append(keys, "http.open_inference"), append(parts, protocol.OpenInference)
	}
	return keys, parts
}

// checkProtocols returns an error for a protocol that the program does not link.
func (a *App) checkProtocols() error {
	keys, parts := a.protocols()
	for i, one := range parts {
		if _, missing := one.Get(); missing != nil {
			return fmt.Errorf("%s: %w", keys[i], missing)
		}
	}
	return nil
}

// addProtocols adds the routes of other protocols to the route table.
func (a *App) addProtocols(t *routes) error {
	var errs []error
	keys, parts := a.protocols()
	for i, part := range parts {
		one, err := part.Get()
		if err != nil {
			return err // checkProtocols has found it
		}
		added, err := one.Routes(a.asProtocol())
		errs = append(errs, err)
		for _, one := range added {
			errs = append(errs, a.addProtocolRoute(t, one))
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("%s: %w", keys[i], err)
		}
	}
	return nil
}

func (a *App) addProtocolRoute(t *routes, one protocol.Route) error {
	parsed, err := pattern.Parse(one.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", one.Path, err)
	}
	if !one.Root || !parsed.Exact() { // a root has a route for all below it
		if err := a.freePath(one, parsed, t.prefix); err != nil {
			return err
		}
	}
	r := &route{label: cmp.Or(one.Probe, one.Path), handler: withPathValues(one.Handler), probe: one.Probe != "", wildcards: parsed.Names()}
	if one.RPC != nil {
		r.handler = &rpc{a, one.RPC}
	}
	r.pattern = t.prefix + one.Path
	if one.Root {
		r.pattern, r.root = one.Path, one.Probe == ""
	}
	switch {
	case one.Translator != nil:
		api := a.apis[one.API]
		r.label, r.endpoint, r.handler, r.codec = api.route, api.endpoint, api, &translated{api.codec, one.Translator}
	case r.root:
		r.endpoint, err = a.metrics.RootEndpoint(r.label)
	default:
		r.endpoint, err = a.metrics.Endpoint(r.label)
	}
	switch {
	case one.Root:
		below, _, _ := strings.Cut(one.Path, "{")
		t.roots[below] = r
	case parsed.Exact():
		t.exact[one.Path] = r
	default:
		t.patterns = append(t.patterns, patternRoute{parsed, r})
	}
	return err
}

// freePath returns an error if an API or a mount has a path of a protocol.
func (a *App) freePath(one protocol.Route, parsed pattern.Pattern, prefix string) error {
	if !one.Root {
		prefix = ""
	}
	for _, api := range a.apis {
		for _, route := range api.paths() {
			_, taken := parsed.Match(prefix + route)
			if p, err := pattern.Parse(prefix + route); taken || err == nil && p.SameShape(parsed) {
				return fmt.Errorf("API %q has the route %s, which is the protocol's (%s); give it another", api.name, route, one.Path)
			}
		}
	}
	for _, mounted := range a.mounts {
		_, taken := parsed.Match(prefix + mounted.path)
		if mounted.path != "/" && (taken && one.Root || strings.HasPrefix(one.Path+"/", prefix+mounted.path+"/")) {
			return fmt.Errorf("a handler is mounted at %s, which has the protocol's path %s; mount it elsewhere", mounted.path, one.Path)
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
