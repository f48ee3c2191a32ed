package runtime

import (
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

// ServeHTTP has the innermost stages, from the method to the function, as chain.go lists them.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		static.MethodNotAllowed(w, http.MethodPost)
		return
	}
	c := a.callOf(w, r)
	if err := c.admitRequest(); err != nil {
		c.respond(nil, err)
		return
	}
	c.before = c.x.middlewareHeader()
	if a.stream != nil {
		c.streamed()
		return
	}
	c.ctx.start(c, c.within(a.timeoutInForce()))
	if _, limited := c.ctx.Deadline(); limited && !c.x.from.inline {
		c.detached()
	} else {
		c.inline(limited)
	}
}
