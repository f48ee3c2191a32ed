package wire

import (
	"context"
	"io"

	"github.com/go-json-experiment/json"
)

// large is the size of bodies, in bytes, whose decoding stops when nobody waits for it any
// more. Smaller ones take a few milliseconds.
const large = 1 << 20

// piece is how many bytes of a large body are decoded between two looks at its context.
const piece = 64 << 10

// reader reads a large body until its context ends.
type reader struct {
	ctx  context.Context
	rest []byte
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n := copy(p, r.rest[:min(piece, len(r.rest))])
	r.rest = r.rest[n:]
	return n, nil
}

// unmarshal decodes body, a large one until ctx ends.
func unmarshal(ctx context.Context, body []byte, into any, options json.Options) error {
	if len(body) < large {
		return json.Unmarshal(body, into, options)
	}
	return json.UnmarshalRead(&reader{ctx, body}, into, options)
}
