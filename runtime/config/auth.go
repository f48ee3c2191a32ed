package config

import (
	"regexp"
	"strconv"
	"strings"
)

// Auth says who may send requests:
//
//	http:
//	  auth:
//	    bearer_tokens: |
//	      a-long-random-token
//	      the-next-one
//
// Secrets belong into files: bearer_tokens_file, basic_users_file. A request needs one of the tokens,
// or the name and password of one of the users; else it gets a 401, before its body is read. Probes and
// /metrics need neither. The zero Auth lets everybody in. A reload, and so a change of a file, replaces
// both lists.
type Auth struct {
	BearerTokens     Secret `koanf:"bearer_tokens" reload:"true" doc:"Tokens, one of which a request must have: Authorization: Bearer TOKEN. One a line; lines that begin with # are comments. To rotate one, list both for a while."`
	BearerTokensFile string `koanf:"bearer_tokens_file" reload:"true" doc:"File that holds bearer_tokens. A relative path begins at the working directory."`
	BasicUsers       Secret `koanf:"basic_users" reload:"true" doc:"Users with their passwords, as lines of htpasswd -B: name:hash, with a hash of bcrypt whose cost is at most 14."`
	BasicUsersFile   string `koanf:"basic_users_file" reload:"true" doc:"File that holds basic_users. A relative path begins at the working directory."`
}

// On reports whether requests are checked.
func (a Auth) On() bool { return !a.BearerTokens.IsZero() || !a.BasicUsers.IsZero() }

// Lines returns the lines of a list of tokens or users that are neither empty nor comments,
// each with its number.
func (a Auth) Lines(of Secret) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.Lines(of.Reveal()) {
			n++
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !yield(n, line) {
				return
			}
		}
	}
}

var (
	bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`) // RFC 6750
	basicUser   = regexp.MustCompile(`^[^:\x00-\x1f\x7f]+:\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$`)
)

// auth reports lines that let nobody in, with the file that they are in. It does not show them.
func (p *problems) auth(a Auth) {
	p.lines("http.auth.bearer_tokens", a, a.BearerTokens, a.BearerTokensFile, bearerToken, "must be a token of letters, digits and - . _ ~ + /")
	p.lines("http.auth.basic_users", a, a.BasicUsers, a.BasicUsersFile, basicUser, "must be name:hash with a hash of bcrypt whose cost is at most 14, as htpasswd -B writes it")
}

func (p *problems) lines(key string, a Auth, of Secret, file string, legal *regexp.Regexp, must string) {
	some, in := false, Place{Name: file}
	if file != "" {
		key += "_file"
	}
	for n, line := range a.Lines(of) {
		if some = true; legal.MatchString(line) {
			continue
		}
		found := &Problem{Where: in, Key: key, Text: must}
		if found.Where.Line = n; file == "" {
			found.Where, found.Text = Place{}, "line "+strconv.Itoa(n)+" "+must
		}
		*p = append(*p, found)
	}
	if !some && (file != "" || !of.IsZero()) { // an empty file must not let everybody in
		*p = append(*p, &Problem{Where: in, Key: key, Text: "must have a line that is not a comment: else nobody could send a request"})
	}
}
