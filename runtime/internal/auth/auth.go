// Package auth checks whether a request has a token or a password that the configuration lists.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Checker knows tokens and users. It keeps hashes of the tokens only.
type Checker struct {
	cfg       config.Auth
	tokens    [][sha256.Size]byte
	users     map[string][]byte // hashes of bcrypt
	spare     []byte            // the one of them that costs most, for a user that does not exist
	challenge []string
	passwords
}

// passwords remembers which ones were right: bcrypt takes some 50 ms of a processor for each.
type passwords struct {
	salt    []byte
	mu      sync.Mutex
	right   map[[sha256.Size]byte]bool
	hashing chan struct{} // places for comparisons at the same time
	waiting atomic.Int32  // requests that have a place, or wait for one
}

var (
	// ErrDenied means that the client has to send what Challenge says.
	ErrDenied = errors.New("no token and no password that is right")
	// ErrBusy means that the client may try again.
	ErrBusy = errors.New("too many passwords are being compared")
)

// mostWaiting is how many passwords are compared or wait for it, at most: a few seconds' worth.
const mostWaiting = 64

// mostRight is how many passwords are remembered as right, at most. Beyond, all are forgotten.
const mostRight = 1000

// New returns a Checker for a valid configuration, or nil if that lets everybody in. It returns
// old if that has the same lists. realm is the name of what is protected.
func New(cfg config.Auth, realm string, old *Checker) *Checker {
	switch {
	case !cfg.On():
		return nil
	case old != nil && old.cfg.BearerTokens.Reveal() == cfg.BearerTokens.Reveal() && old.cfg.BasicUsers.Reveal() == cfg.BasicUsers.Reveal():
		return old
	}
	c := &Checker{cfg: cfg, users: map[string][]byte{}, passwords: passwords{
		salt: []byte(rand.Text()), right: map[[sha256.Size]byte]bool{}, hashing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
	}}
	quoted := `realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm) + `"`
	for _, token := range cfg.Lines(cfg.BearerTokens) {
		c.tokens = append(c.tokens, sha256.Sum256([]byte(token)))
	}
	for _, line := range cfg.Lines(cfg.BasicUsers) {
		name, hash, _ := strings.Cut(line, ":")
		c.users[name] = []byte(hash)
		if cost(c.users[name]) > cost(c.spare) {
			c.spare = c.users[name]
		}
	}
	if len(c.tokens) > 0 {
		c.challenge = append(c.challenge, "Bearer "+quoted)
	}
	if len(c.users) > 0 {
		c.challenge = append(c.challenge, "Basic "+quoted+`, charset="UTF-8"`)
	}
	return c
}

// Challenge returns the values of WWW-Authenticate. They must not be changed.
func (c *Checker) Challenge() []string { return c.challenge }

// cost returns the cost of a hash of bcrypt; 0: it is none.
func cost(hash []byte) int {
	n, _ := bcrypt.Cost(hash) // 0 beside an error
	return n
}

// Check returns nil if a request may pass, and else ErrDenied or ErrBusy. It takes as long for a wrong
// token as for a right one. It takes as long for a user that does not exist as for the wrong password
// of a user whose hash costs most: a user with a lower cost is known by a faster 401, so all hashes
// should have one cost. If ctx ends before a password is compared, the request may not pass.
func (c *Checker) Check(ctx context.Context, r *http.Request) error {
	sent := r.Header["Authorization"]
	if len(sent) != 1 { // several could mean something else to a proxy
		return ErrDenied
	}
	scheme, token, _ := strings.Cut(sent[0], " ")
	if strings.EqualFold(scheme, "Bearer") {
		return c.knows(strings.TrimLeft(token, " "))
	}
	name, password, ok := r.BasicAuth()
	if !ok || len(c.users) == 0 {
		return ErrDenied
	}
	return c.isRight(ctx, name, password)
}

func (c *Checker) knows(token string) error {
	sum, found := sha256.Sum256([]byte(token)), 0
	for i := range c.tokens {
		found |= subtle.ConstantTimeCompare(sum[:], c.tokens[i][:])
	}
	if found != 1 {
		return ErrDenied
	}
	return nil
}

func (c *Checker) isRight(ctx context.Context, name, password string) error {
	hash, exists := c.users[name]
	if !exists {
		hash = c.spare
	}
	sum := sha256.New()
	for _, part := range []string{string(c.salt), name, "\x00", password} {
		_, _ = sum.Write([]byte(part))
	}
	tried := [sha256.Size]byte(sum.Sum(nil))
	if c.wasRight(tried) {
		return nil
	}
	defer c.waiting.Add(-1)
	if c.waiting.Add(1) > mostWaiting {
		return ErrBusy
	}
	select {
	case c.hashing <- struct{}{}:
		defer func() { <-c.hashing }()
	case <-ctx.Done():
		return ErrDenied
	}
	if c.wasRight(tried) { // another request was first
		return nil
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !exists {
		return ErrDenied
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.right) >= mostRight {
		clear(c.right)
	}
	c.right[tried] = true
	return nil
}

func (p *passwords) wasRight(tried [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.right[tried]
}
