package runtime

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/turns"
)

// ranking says how requests are ranked in the queues of a service.
type ranking struct{ priority, tenant string } // names of headers; "": none

// of returns the rank of a request.
func (r *ranking) of(header http.Header) (rank batcher.Rank) {
	if r == nil || header == nil {
		return rank
	}
	if r.priority != "" {
		rank.Low = strings.EqualFold(strings.TrimSpace(header.Get(r.priority)), "low")
	}
	if r.tenant != "" {
		rank.Tenant = tenantName(header.Get(r.tenant))
	}
	return rank
}

// longestTenant bounds the bytes of a name in the accounts of tenants, which clients choose.
const longestTenant = 128

// tenantName returns the name by which a tenant is known: a long one has a hash instead.
func tenantName(given string) string {
	if len(given) <= longestTenant {
		return given
	}
	hash := sha256.Sum256([]byte(given))
	return string(hash[:])
}

// turn returns the rank of a request in the queue before slots.
func (r *ranking) turn(header http.Header) turns.Rank {
	rank := r.of(header)
	return turns.Rank{Low: rank.Low, Tenant: rank.Tenant}
}

// rankOf returns the rank in a batch queue of a call with ctx, which a function of the service has.
func (s *Service) rankOf(ctx context.Context) batcher.Rank {
	r := s.ranking.Load()
	if r == nil || r.priority == "" && r.tenant == "" {
		return batcher.Rank{}
	}
	return r.of(headerFrom(ctx))
}

// headerFrom returns the header of the request that ctx belongs to, or nil.
func headerFrom(ctx context.Context) http.Header {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.r.Header
	}
	return nil
}
