package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.yaml.in/yaml/v3"
)

const canary = "CANARY-5e7d"

// rendered prints cfg in every way that a program may use.
func rendered(t *testing.T, cfg Config, loaded *Loaded) string {
	t.Helper()
	var b bytes.Buffer
	held := struct{ held Config }{cfg} // unexported: fmt cannot call its methods
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", cfg)
		fmt.Fprintf(&b, verb+"\n", &cfg)
		fmt.Fprintf(&b, verb+"\n", held)
		fmt.Fprintf(&b, verb+"\n", cfg.SSL.KeyFilePassword)
		fmt.Fprintf(&b, verb+"\n", cfg.OTLP)
	}
	fmt.Fprintln(&b, cfg.SSL.KeyFilePassword.String(), cfg.OTLP.Endpoint.String())
	for _, v := range []any{cfg, cfg.SSL, cfg.OTLP, cfg.SSL.KeyFilePassword} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
		if data, err = yaml.Marshal(v); err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("x", "config", cfg, "secret", cfg.SSL.KeyFilePassword, "url", cfg.OTLP.Endpoint, "otlp", cfg.OTLP)
	}
	b.WriteString(cfg.YAML())
	if loaded != nil {
		fmt.Fprintf(&b, "%+v %v", loaded.Explain(""), loaded.Notices)
	}
	return b.String()
}

func TestSecretsAreInNoRendering(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	check.Must(t, os.WriteFile(file, []byte(canary+"\n"), 0o600))
	const url = "https://user:" + canary + "@collector:4318/v1/traces?x=" + canary + "#" + canary
	for name, source := range map[string]Source{
		"file": {File: write(t, "ssl: {keyfile_password: "+canary+"}\notlp: {endpoint: '"+url+"', headers: {api-key: "+canary+"}}")},
		"twin": {File: write(t, "ssl: {keyfile_password_file: "+file+"}")},
		"variables": {Environ: []string{
			"EKIBEN_SSL__KEYFILE_PASSWORD=" + canary, "EKIBEN_OTLP__ENDPOINT=" + url, "EKIBEN_OTLP__HEADERS__API_KEY=" + canary,
		}},
		"bentoml": {File: write(t, "version: 2\nservices: {ssl: {keyfile_password: '${P}'}, monitoring: {options: {key: "+canary+"}}, tracing: {exporter_type: otlp, otlp: {protocol: http, endpoint: '"+url+"', http: {headers: {a: "+canary+"}}}}}"),
			Environ: []string{"P=" + canary}},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := check.Value(source.Load(Default(), "Front"))(t)
			if got := loaded.Config.SSL.KeyFilePassword.Reveal(); got != canary {
				t.Errorf("the secret is %q", got)
			}
			if got := loaded.Config.OTLP.Endpoint.Reveal() + loaded.Config.OTLP.Traces.Endpoint.Reveal(); name != "twin" && got != url {
				t.Errorf("the endpoint is %q", got)
			}
			if text := rendered(t, loaded.Config, loaded); strings.Contains(text, canary) {
				at := strings.Index(text, canary)
				t.Errorf("…%s…", text[max(at-200, 0):at+len(canary)])
			}
		})
	}
	for in, want := range map[string]string{
		"https://user:x@collector:4318/a?b=c": "https://collector:4318/a?<secret>",
		"https://collector:4318/a%2Fb?c":      "https://collector:4318/a%2Fb?<secret>",
		"https://collector:4318/a%2F/#b":      "https://collector:4318/a%2F/",
		"collector:4317?b=c":                  "collector:4317?<secret>",
		"collector:4317":                      "collector:4317",
		"127.0.0.1:4317":                      "127.0.0.1:4317",
		"[::1]:4317":                          "[::1]:4317",
		"localhost":                           "localhost",
		"user:x@collector:4317":               "collector:4317",
		"user:x@127.0.0.1:4317/a":             "127.0.0.1:4317/a",
		"http://user:a/b@collector":           hidden,
		"user:a/b@collector":                  hidden,
		"http://u:x@ y":                       hidden,
	} {
		if got := NewURL(in).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if fmt.Sprintf("%v %#v %s", Secret{}, NewSecret("x"), NewURL("")) != " <secret> " {
		t.Error("empty secrets look like secrets")
	}
}

// Errors name a secret's key and place, not its value.
func TestSecretsAreInNoError(t *testing.T) {
	for _, source := range []Source{
		{File: write(t, "ssl: {keyfile_password: ["+canary+"]}")},
		{File: write(t, "ssl: {keyfile_password: {a: "+canary+"}}")},
		{File: write(t, "ssl: "+canary)},
		{File: write(t, "ssl: {keyfile_pasword: "+canary+"}")},
		{File: write(t, "otlp: {headers: "+canary+"}")},
		{File: write(t, "otlp: {headers: {a: ["+canary+"]}}")},
		{File: write(t, "otlp: {endpoint: ["+canary+"]}")},
		{File: write(t, "otlp: {endpoint: 'http://u:"+canary+"@ x'}")},
		{File: write(t, "ssl: {keyfile_password: "+canary+", keyfile_password_file: x}")},
		{File: write(t, "ssl:\n  keyfile_password: \""+canary+"\n")},
		{File: write(t, "ssl:\n  keyfile_password: *"+canary+"\n")},
		{File: write(t, "ssl:\n  keyfile_password: !"+canary+" x\n")},
		{File: write(t, "version: 2\nservices: {ssl: {keyfile_password: ["+canary+"], keyfile_pasword: "+canary+"}}")},
		{File: write(t, "version: 2\nservices: {tracing: {otlp: {grpc: {headers: "+canary+"}, http: {headers: "+canary+"}}}}")},
		{File: write(t, "version: 2\nservices: {tracing: {exporter_type: otlp, otlp: {protocol: grpc, grpc: {headers: ["+canary+"]}}}}")},
		{File: write(t, "version: 2\nservices: {tracing: {otlp: {endpoint: ["+canary+"]}}}")},
		{Environ: []string{"EKIBEN_SSL=" + canary, "EKIBEN_SSL__KEYFILE_PASWORD=" + canary, "EKIBEN_OTLP__HEADERS=" + canary}},
		{Environ: []string{"EKIBEN_SSL={keyfile_password: [" + canary + "]}", "EKIBEN_OTLP={headers: [" + canary}},
		{Environ: []string{"BENTOML_CONFIG_OVERRIDES={\"services\": {\"ssl\": {\"keyfile_password\": [\"" + canary + "\"]}}}"}},
		{Environ: []string{"BENTOML_CONFIG_OVERRIDES=" + canary, "BENTOML_CONFIG_OPTIONS=services.ssl.keyfile_password:" + canary}},
		{Set: []Setting{{"ssl", canary, "--set"}, {"ssl.keyfile_pasword", canary, "--set"}, {"otlp.headers", canary, "--set"}}},
	} {
		_, err := source.Load(Default(), "Front")
		if err == nil {
			t.Errorf("%+v was accepted", source)
		} else if strings.Contains(err.Error(), canary) {
			t.Error(err)
		}
	}
	if _, err := ParseSetting("--set", "ssl.keyfile_password:"+canary); err == nil || strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
}

// An error about the content of a file names the file and the line. A file that cannot be read is
// one error. Explain says which file a value came from.
func TestSecretsInFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{"good": "token\n", "bad": "token\n\nnot good\n# fine\nn\u00f6\n", "none": "# none\n"} {
		check.Must(t, os.WriteFile(name, []byte(content), 0o600))
	}
	for text, want := range map[string]string{
		"http: {auth: {bearer_tokens_file: bad}}": "bad:3: http.auth.bearer_tokens_file: must be a token of letters, digits and - . _ ~ + /\n" +
			"bad:5: http.auth.bearer_tokens_file: must be a token of letters, digits and - . _ ~ + /",
		"http: {auth: {basic_users_file: good}}":                         "good:1: http.auth.basic_users_file: must be name:hash with a hash of bcrypt whose cost is at most 14, as htpasswd -B writes it",
		"http: {auth: {bearer_tokens_file: none}}":                       "none: http.auth.bearer_tokens_file: must have a line that is not a comment: else nobody could send a request",
		"http: {auth: {bearer_tokens_file: absent}}":                     "config.yaml:1: http.auth.bearer_tokens_file: must name a file that can be read: absent: no such file",
		"http: {auth: {bearer_tokens: 'a b', bearer_tokens_file: good}}": "config.yaml:1: http.auth.bearer_tokens_file: must not be given beside http.auth.bearer_tokens",
		"otlp: {headers_file: {api-key: bad}}":                           "bad: otlp.headers.api-key: must be a header: a name of letters, digits and hyphens, and a value without control characters",
	} {
		check.Must(t, os.WriteFile("config.yaml", []byte(text), 0o600))
		_, err := Source{File: "config.yaml"}.Load(Default())
		check.Error(t, err, want)
	}
	check.Must(t, os.WriteFile("config.yaml", []byte("{http: {auth: {bearer_tokens_file: good}}, otlp: {enabled: true, headers_file: {api-key: good}}}"), 0o600))
	loaded := check.Value(Source{File: "config.yaml"}.Load(Default()))(t)
	for key, want := range map[string]string{"http.auth.bearer_tokens": "good", "http.auth.bearer_tokens_file": "config.yaml:1", "http.auth.basic_users": "default", "otlp.headers.api-key": "good"} {
		check.Equal(t, loaded.Explain(key)[0].Source, want)
	}
}
