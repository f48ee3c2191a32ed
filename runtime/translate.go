package runtime

import (
	"fmt"
	"net/http"

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
	decoded, reply, err := t.to.Decode(c.r.Header, s.body.Bytes())
	if err != nil {
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
	for _, one := range found.Routes(a.asProtocol()) {
		if err := a.addProtocolRoute(t, one); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) addProtocolRoute(t *routes, one protocol.Route) error {
	parsed, err := pattern.Parse(one.Path)
	if err != nil {
		return fmt.Errorf("http.open_inference: %s: %w", one.Path, err)
	}
	for _, api := range a.apis {
		if p, err := pattern.Parse(api.route); err == nil && p.SameShape(parsed) {
			return fmt.Errorf("http.open_inference: API %q has the route %s, which is the protocol's; give it another", api.name, api.route)
		}
	}
	r := &route{label: one.Path, handler: one.Handler, probe: one.Probe, wildcards: parsed.Names()}
	if one.Translator != nil {
		api := a.apis[one.API]
		r = &route{label: api.route, endpoint: api.endpoint, handler: api, codec: &translated{api.codec, one.Translator}}
	} else if r.endpoint, err = a.metrics.Endpoint(one.Path); err != nil {
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

// asProtocol describes the app for another protocol.
func (a *App) asProtocol() protocol.App {
	as := protocol.App{Name: a.identity.Name, Version: a.conf.Now().App.Version, Live: a.liveness(), Ready: a.readiness()}
	for _, one := range a.apis {
		api := protocol.API{Name: one.name}
		switch {
		case one.stream != nil:
			api.Without = "it is a stream"
		case !one.pattern.Exact():
			api.Without = "its route has wildcards"
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
