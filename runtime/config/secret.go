package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// hidden replaces a secret in output.
const hidden = "<secret>"

// Secret is a string that is never printed: fmt with any verb, JSON, YAML and slog
// print <secret>, or an empty string if it is empty. [Secret.Reveal] returns the
// value. The zero Secret is empty.
type Secret struct{ value *string } // a pointer: fmt cannot call methods of unexported fields, but prints an address

// NewSecret returns a Secret with a value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// String returns <secret>, or "" if the secret is empty.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return hidden
}

// Format prints String for every verb, %#v included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the value.
func (s *Secret) UnmarshalText(value []byte) error {
	*s = NewSecret(string(value))
	return nil
}

// LogValue returns String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// URL is an address. Output shows neither its user info nor its query, which may
// be secrets: String, fmt, JSON, YAML and slog give the address without user info,
// and with <secret> for the query. [URL.Reveal] returns the whole address.
// The zero URL is empty.
type URL struct{ value *string }

// NewURL returns a URL: a URL or host:port. The value is not checked;
// [Config.Validate] does that.
func NewURL(value string) URL {
	if value == "" {
		return URL{}
	}
	return URL{&value}
}

// Reveal returns the address with its user info and its query.
func (u URL) Reveal() string { return Secret(u).Reveal() }

// IsZero reports whether the URL is empty.
func (u URL) IsZero() bool { return u.value == nil }

// String returns the address without its user info and its fragment, and with
// <secret> for its query.
func (u URL) String() string {
	text, scheme := u.Reveal(), ""
	if !strings.Contains(text, "://") { // host:port, which url.Parse takes for a scheme and a path
		scheme = "http://"
	}
	parsed, err := url.Parse(scheme + text)
	switch {
	case text == "":
		return ""
	case err != nil:
		return hidden // the secrets cannot be separated
	case parsed.User == nil && parsed.RawQuery == "" && parsed.Fragment == "":
		return text
	}
	parsed.User, parsed.Fragment, parsed.RawFragment = nil, "", ""
	if parsed.RawQuery != "" {
		parsed.RawQuery = hidden
	}
	return strings.TrimPrefix(parsed.String(), scheme)
}

// Format prints String for every verb, %#v included.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText returns String, for JSON and YAML.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText sets the address.
func (u *URL) UnmarshalText(value []byte) error {
	*u = NewURL(string(value))
	return nil
}

// LogValue returns String, for slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }
