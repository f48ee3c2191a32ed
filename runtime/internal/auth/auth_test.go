package auth

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// users returns lines of htpasswd, cheap ones.
func users(t *testing.T, pairs ...string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		hash := check.Value(bcrypt.GenerateFromPassword([]byte(pairs[i+1]), bcrypt.MinCost))(t)
		b.WriteString(pairs[i] + ":" + string(hash) + "\n")
	}
	return b.String()
}

func basic(pair string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

func with(values ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	r.Header["Authorization"] = values
	return r
}

// Each of the tokens and users lets a request in, and nothing else does.
func TestAllows(t *testing.T) {
	cfg := config.Auth{BearerTokens: config.NewSecret("# old\nabc.DEF-1==\n\n  new~token \r\n"), BasicUsers: config.NewSecret("#\n" + users(t, "ann", "pass:word", "bob", "x"))}
	c := New(cfg, `a "realm"`, nil)
	for name, test := range map[string]struct {
		sent []string
		want bool
	}{
		"a token":               {[]string{"Bearer abc.DEF-1=="}, true},
		"another token":         {[]string{"bearer   new~token"}, true},
		"a part of a token":     {[]string{"Bearer abc.DEF-1="}, false},
		"a longer token":        {[]string{"Bearer abc.DEF-1==="}, false},
		"a comment":             {[]string{"Bearer # old"}, false},
		"no token":              {[]string{"Bearer "}, false},
		"no value":              {[]string{"Bearer"}, false},
		"a user":                {[]string{basic("ann:pass:word")}, true},
		"again":                 {[]string{basic("ann:pass:word")}, true},
		"another user":          {[]string{basic("bob:x")}, true},
		"another's password":    {[]string{basic("bob:pass:word")}, false},
		"a wrong password":      {[]string{basic("ann:x")}, false},
		"nobody":                {[]string{basic("eve:x")}, false},
		"no name":               {[]string{basic(":x")}, false},
		"no colon":              {[]string{basic("ann")}, false},
		"not base64":            {[]string{"Basic !!!"}, false},
		"the token as password": {[]string{basic("abc.DEF-1==:")}, false},
		"another scheme":        {[]string{"Digest abc.DEF-1=="}, false},
		"the token alone":       {[]string{"abc.DEF-1=="}, false},
		"nothing":               {nil, false},
		"empty":                 {[]string{""}, false},
		"two":                   {[]string{"Bearer abc.DEF-1==", "Bearer abc.DEF-1=="}, false},
		"64 KiB":                {[]string{"Bearer " + strings.Repeat("a", 64<<10)}, false},
		"64 KiB of a password":  {[]string{basic("ann:" + strings.Repeat("a", 48<<10))}, false},
	} {
		if err := c.Check(t.Context(), with(test.sent...)); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	check.Equal(t, c.Challenge(), []string{`Bearer realm="a \"realm\""`, `Basic realm="a \"realm\"", charset="UTF-8"`})
}

// Without a list its scheme lets nobody in, and without both there is no Checker. A reload that
// changes nothing keeps what is known.
func TestNew(t *testing.T) {
	tokens := config.Auth{BearerTokens: config.NewSecret("a")}
	c := New(tokens, "x", nil)
	check.Equal(t, c.Check(t.Context(), with(basic("a:"))), ErrDenied)
	check.Equal(t, c.Challenge(), []string{`Bearer realm="x"`})
	check.Equal(t, New(config.Auth{BasicUsers: config.NewSecret(users(t, "a", "b"))}, "x", c).Check(t.Context(), with("Bearer a")), ErrDenied)
	if New(config.Auth{}, "x", c) != nil || New(tokens, "x", c) != c {
		t.Error("a list that did not change makes another Checker")
	}
}

// A user that does not exist takes as long as one whose hash costs most, wherever its line is.
func TestCostOfNobody(t *testing.T) {
	line := func(name string, cost int) string {
		return name + ":" + string(check.Value(bcrypt.GenerateFromPassword([]byte("x"), cost))(t)) + "\n"
	}
	cheap, dear := line("ann", bcrypt.MinCost), line("bob", bcrypt.MinCost+1)
	for _, lines := range []string{cheap + dear, dear + cheap} {
		c := New(config.Auth{BasicUsers: config.NewSecret(lines)}, "x", nil)
		check.Equal(t, check.Value(bcrypt.Cost(c.spare))(t), bcrypt.MinCost+1)
	}
}

// A password that is right is compared once; one that is wrong is not remembered.
func TestRemembered(t *testing.T) {
	c := New(config.Auth{BasicUsers: config.NewSecret(users(t, "ann", "x"))}, "x", nil)
	for range 3 {
		check.Equal(t, c.Check(t.Context(), with(basic("ann:x"))), nil)
		check.Equal(t, c.Check(t.Context(), with(basic("ann:y"))), ErrDenied)
	}
	check.Equal(t, len(c.right), 1)
	for range cap(c.hashing) { // nothing can be compared any more
		c.hashing <- struct{}{}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	check.Equal(t, c.Check(ended, with(basic("ann:x"))), nil)
	check.Equal(t, c.Check(ended, with(basic("ann:z"))), ErrDenied)
	c.waiting.Store(mostWaiting)
	check.Equal(t, c.Check(t.Context(), with(basic("ann:x"))), nil)
	check.Equal(t, c.Check(t.Context(), with(basic("ann:z"))), ErrBusy)
	check.Equal(t, c.waiting.Swap(0), mostWaiting)
	for i := range mostRight {
		c.right[[32]byte{1, byte(i), byte(i >> 8)}] = true
	}
	for range cap(c.hashing) {
		<-c.hashing
	}
	c.users["bob"] = c.users["ann"]
	check.Equal(t, c.Check(t.Context(), with(basic("bob:x"))), nil)
	check.Equal(t, len(c.right), 1)
}

func TestTogether(t *testing.T) {
	c := New(config.Auth{BasicUsers: config.NewSecret(users(t, "ann", "x"))}, "x", nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if err := c.Check(t.Context(), with(basic("ann:x"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
