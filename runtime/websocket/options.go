package websocket

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/coder/websocket"
)

// Option changes how sockets are served.
type Option interface{ apply(*options) }

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

type options struct {
	accept       websocket.AcceptOptions
	maxMessage   int64
	ping         time.Duration
	idle         time.Duration
	writeTimeout time.Duration
	errs         []error
}

// defaults are the settings without options. The pings are those of BentoML's server.
func defaults() options {
	return options{maxMessage: 1 << 20, ping: 20 * time.Second, writeTimeout: 30 * time.Second}
}

// Origins allows browsers to connect from pages of other hosts. A pattern is a host such
// as "example.org" or "*.example.org", in which * stands for any characters, or a scheme
// and a host, "https://example.org". "*" allows every page on the web to connect with the
// cookies of its visitor. Default: pages of the host that the request names, and clients
// that send no Origin, which are not browsers. Any other handshake is a 403.
func Origins(patterns ...string) Option {
	return optionFunc(func(o *options) {
		for _, pattern := range patterns {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				o.errs = append(o.errs, fmt.Errorf(`websocket.Origins: must be a host such as "*.example.org" or an origin such as "https://example.org", found %q`, pattern))
			}
		}
		o.accept.OriginPatterns = append(o.accept.OriginPatterns, patterns...)
	})
}

// Subprotocols names the subprotocols that the function speaks, the preferred one first.
// [Conn.Subprotocol] returns the one that was chosen, or "" if the client offers none of
// them. Default: none.
func Subprotocols(names ...string) Option {
	return optionFunc(func(o *options) { o.accept.Subprotocols = append(o.accept.Subprotocols, names...) })
}

// MaxMessage is the largest message that a socket receives, in bytes, after
// decompression. A larger one closes the socket with 1009. Default: 1 MiB. A socket holds
// up to two messages in memory: the one that the function has, and the next.
func MaxMessage(bytes int64) Option {
	return optionFunc(func(o *options) {
		if bytes <= 0 {
			o.errs = append(o.errs, fmt.Errorf("websocket.MaxMessage: must be greater than 0, found %d", bytes))
			return
		}
		o.maxMessage = bytes
	})
}

// PingInterval is the time between two pings. A socket whose client does not respond to
// one before the next is due is cut. Default: 20 seconds. 0: no pings.
func PingInterval(d time.Duration) Option {
	return optionFunc(func(o *options) { o.ping = o.atLeast("PingInterval", d) })
}

// IdleTimeout closes a socket with 1001 if no message was received or sent for d. Default
// and meaning of 0: no limit.
func IdleTimeout(d time.Duration) Option {
	return optionFunc(func(o *options) { o.idle = o.atLeast("IdleTimeout", d) })
}

// WriteTimeout is how long a message may take to be sent. A socket whose client reads
// more slowly is cut. Default: 30 seconds. 0: no limit.
func WriteTimeout(d time.Duration) Option {
	return optionFunc(func(o *options) { o.writeTimeout = o.atLeast("WriteTimeout", d) })
}

// Compression lets a client compress messages, and compresses those of 512 bytes or more
// for a client that can read them. Default: messages are not compressed.
func Compression() Option {
	return optionFunc(func(o *options) { o.accept.CompressionMode = websocket.CompressionNoContextTakeover })
}

func (o *options) atLeast(name string, d time.Duration) time.Duration {
	if d != 0 && d < time.Millisecond {
		o.errs = append(o.errs, fmt.Errorf("websocket.%s: must be 0 or at least 1ms, such as 5*time.Second, found %s", name, d))
	}
	return d
}

// set applies options to the defaults. fn is whether there is a function.
func set(fn bool, opts []Option) (options, error) {
	o := defaults()
	for i, opt := range opts {
		if opt == nil {
			o.errs = append(o.errs, fmt.Errorf("option %d must not be nil", i+1))
			continue
		}
		opt.apply(&o)
	}
	if !fn {
		o.errs = append(o.errs, errors.New("the function must not be nil"))
	}
	return o, errors.Join(o.errs...)
}
