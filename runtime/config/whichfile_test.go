package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func load1(t *testing.T) *Loaded {
	t.Helper()
	loaded := check.Value(FromEnvironment().Load(Default()))(t)
	return loaded
}

// emptyFolder changes to an empty folder and unsets EKIBEN_CONFIG.
func emptyFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv(FileVariable, "")
}

func TestFromEnvironment(t *testing.T) {
	emptyFolder(t)
	t.Setenv("EKIBEN_TRAFFIC__TIMEOUT", "7")
	if s := FromEnvironment(); s.File != "" || !slices.Contains(s.Environ, "EKIBEN_TRAFFIC__TIMEOUT=7") {
		t.Errorf("without a file: got %q", s.File)
	}
	for i, file := range []string{commonFile, DefaultFile, "other.yaml"} { // each is preferred to those before it
		writeFile(t, file, "http: {port: "+string(rune('1'+i))+"}\ntraffic: {timeout: 1}\n")
		if file == "other.yaml" {
			t.Setenv(FileVariable, file)
		}
		if l := load1(t); l.File != file || l.Config.HTTP.Port != i+1 || l.Config.Traffic.Timeout.Seconds() != 7 {
			t.Errorf("got %q, port %d, timeout %s, want %s", l.File, l.Config.HTTP.Port, l.Config.Traffic.Timeout, file)
		}
	}
	t.Setenv(FileVariable, "none.yaml")
	if _, err := FromEnvironment().Load(Default()); err == nil || err.Error() != "EKIBEN_CONFIG: none.yaml: no such file" {
		t.Errorf("a file that does not exist: got %v", err)
	}
}

// A config.yaml of another program is ignored with a notice. An error in Ekiben's
// config.yaml is reported.
func TestForeignFile(t *testing.T) {
	for name, c := range map[string]struct{ text, foreign, err string }{
		"another program's":          {"server: {port: 1}\nlogging: {level: x}\ndatabase: x\n", "server, database", ""},
		"many keys":                  {"a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\n", "a, b, c, d, e, …", ""},
		"compose":                    {"version: \"3.8\"\nservices: {web: {image: x}}\n", "version", ""},
		"broken":                     {"server:\n  a: [\n", "server", ""},
		"ours":                       {"http: {port: 1}\n", "", ""},
		"ours, a mistake":            {"http: {prot: 1}\n", "", "config.yaml:1: http.prot: unknown key; did you mean http.port?"},
		"ours, a misspelt key":       {"traffic: {timeout: 5}\nhtp: {port: 3999}\n", "", "config.yaml:2: htp: unknown key; did you mean http?"},
		"ours, misspelt keys":        {"traffic: {timeout: 5}\nHTTP: {port: 1}\nservics: {}\n", "", "config.yaml:2: HTTP: unknown key; did you mean http?\nconfig.yaml:3: servics: unknown key; did you mean services?"},
		"ours, misspelt and broken":  {"traffic: {timeout: 5}\nhtp: [\n", "", "config.yaml:2: cannot be read as YAML: did not find expected node content"},
		"misspelt alone":             {"htp: {port: 1}\n", "htp", ""},
		"a misspelt and another key": {"http: {port: 1}\nhtp: {port: 1}\nentryPoints: {}\n", "htp, entryPoints", ""},
		"https, service, worker":     {"http: {port: 1}\nhttps: {port: 1}\nservice: {name: x}\nworker: 1\nmetric: 1\n", "https, service, worker, metric", ""},
		"a short key like ours":      {"http: {routers: {}}\napi: {}\n", "api", ""},
		"ours, broken":               {"http: {port: [\n", "", "config.yaml:1: cannot be read as YAML: did not find expected node content"},
		"ours, marked":               {"# yaml-language-server: $schema=docs/config.schema.json\nservics: 1\n", "", "config.yaml:2: servics: unknown key; did you mean services?"},
		"comments":                   {"# nothing\n", "", ""},
		"empty":                      {"", "it has no keys", ""},
		"a list":                     {"- http\n- port\n", "it has no keys", ""},
		"plain text":                 {"a text\n", "it has no keys", ""},
		"a server of another kind":   {"http: {addr: \":8080\"}\nlogging: {formatter: x}\n", "http.addr, logging.formatter", ""},
		"ours, a foreign section":    {"http: {port: 1}\ntraffic: {max_requests: 3}\n", "", "config.yaml:2: traffic.max_requests: unknown key; known here: adaptive_concurrency, caller_deadline, endpoints, max_concurrency, max_queue, per_client, priority_header, queue_order, stream, tenant_header, timeout"},
		"ours, a value as section":   {"http: {port: 1}\ntraffic: 5\n", "", "config.yaml:2: traffic: must be a mapping of keys to values, found 5"},
		"logging of Python":          {"logging: {version: 1, handlers: {}}\n", "logging.version, logging.handlers", ""},
		"compose without a version":  {"services: {web: {image: x}, db: {image: y}}\n", "services.web.image, services.db.image", ""},
		"sections that are values":   {"metrics: true\nservices: [web]\n", "metrics, services", ""},
		"ours, empty sections":       {"http:\nlogging: {}\nservices: {Front: }\n", "", ""},
		"ours, one misspelt key":     {"traffic: {timeot: 5}\n", "", "config.yaml:1: traffic.timeot: unknown key; did you mean traffic.timeout?"},
		"ours, a key of no section":  {"http: {port: 1, addr: x}\n", "", "config.yaml:1: http.addr: unknown key; known here: auth, cors, h2c, host, limits, max_bodies, max_body_size, max_overdue, open_inference, open_inference_grpc, page, path_prefix, port, proxy_protocol, response, socket, socket_mode, trusted_proxies"},
		"ours, a misspelt service's": {"services: {Front: {trafic: {timeout: 5}}}\n", "", "config.yaml:1: services.Front.trafic: unknown key; did you mean services.Front.traffic?"},
		"BentoML's":                  {"services: {traffic: {timeout: 5}}\n", "", ""},
		"BentoML's, version":         {"version: 2\nservices: {traffic: {timeout: 5}}\n", "", ""},
		"BentoML's, a mistake":       {"api_server: {prot: 1}\n", "", "config.yaml:1: api_server.prot: unknown key: BentoML does not start with it"},
	} {
		t.Run(name, func(t *testing.T) {
			emptyFolder(t)
			writeFile(t, commonFile, c.text)
			loaded, err := FromEnvironment().Load(Default(), "Front")
			switch {
			case c.err != "":
				check.Error(t, err, c.err)
			case err != nil:
				t.Error(err)
			case c.foreign == "":
				if loaded.File != commonFile || len(loaded.Notices) > 0 {
					t.Errorf("got %q, %v", loaded.File, loaded.Notices)
				}
			default:
				if !strings.HasPrefix(c.foreign, "it has") {
					c.foreign = "these keys are not as Ekiben has them: " + c.foreign
				}
				want := "config.yaml: is not read, because " + c.foreign + "; to read it, name it in EKIBEN_CONFIG or call it ekiben.yaml"
				if loaded.File != "" || len(loaded.Files) > 0 || len(loaded.Notices) != 1 || loaded.Notices[0].String() != want {
					t.Errorf("got %q, %v, want %s", loaded.File, loaded.Notices, want)
				}
			}
		})
	}
}

// The file is chosen once: a reload reads the same file.
func TestFromEnvironmentChoosesOnce(t *testing.T) {
	emptyFolder(t)
	before := FromEnvironment()
	writeFile(t, DefaultFile, "http: {port: 1}\n")
	if loaded, err := before.Load(Default()); err != nil || loaded.Config.HTTP.Port != 3000 {
		t.Error("a file that was created later was read", err)
	}
	after := FromEnvironment()
	check.Must(t, os.Remove(DefaultFile))
	if _, err := after.Load(Default()); err == nil || err.Error() != DefaultFile+": no such file" {
		t.Errorf("got %v", err)
	}
}

// The repository's file, which documents every key, is read as Ekiben's.
func TestConfigYAMLIsReadByDefault(t *testing.T) {
	text := check.Value(os.ReadFile("../../config.yaml"))(t)
	for _, text := range []string{string(text), strings.Replace(string(text), "config.schema.json", "x", 1), uncommented(t)} {
		t.Run("", func(t *testing.T) {
			emptyFolder(t)
			writeFile(t, commonFile, text)
			if l := load1(t); l.File != commonFile || len(l.Notices) > 0 {
				t.Errorf("got %q, %v", l.File, l.Notices)
			}
		})
	}
}
