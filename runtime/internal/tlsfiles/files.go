package tlsfiles

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/watch"
)

// Files are the certificate, the key and the authorities of a server. New handshakes use
// the files as they were last read without an error; open connections keep what they have.
type Files struct {
	set     config.SSL
	log     *slog.Logger
	current atomic.Pointer[tls.Config] // never modified

	mu   sync.Mutex
	read watch.Fingerprint // of the files, at the last attempt to load them
}

// Open loads the files, or returns nil if ssl.enabled is false.
func Open(cfg config.SSL, log *slog.Logger) (*Files, error) {
	if !cfg.Enabled {
		return nil, nil //nolint:nilnil // nil is plain HTTP
	}
	f := &Files{set: cfg, log: log}
	f.read = watch.Of(f.names()) // before load: a change in between is noticed
	loaded, err := load(cfg)
	if err != nil {
		return nil, err
	}
	f.current.Store(loaded)
	return f, nil
}

// Config returns the configuration for a server. It stays valid when the files change.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12, // that of load is in force
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.current.Load(), nil },
	}
}

// NotAfter returns the end of the validity of the certificate in force.
func (f *Files) NotAfter() time.Time { return f.leaf().NotAfter }

// leaf returns the certificate in force.
func (f *Files) leaf() *x509.Certificate { return f.current.Load().Certificates[0].Leaf }

// Reload loads the files again. With an error, which is logged and returned, nothing changes.
func (f *Files) Reload() error { return f.reload(false) }

// Follow loads the files again after each change of their content, until ctx ends.
func (f *Files) Follow(ctx context.Context) {
	f.mu.Lock()
	before := f.read
	f.mu.Unlock()
	err := watch.Files(ctx, before, f.names, func() { _ = f.reload(true) }) // which logs the error
	if err != nil && !errors.Is(err, context.Canceled) {
		f.log.WarnContext(ctx, "TLS files are not watched", "error", err)
	}
}

// reload is [Files.Reload]. With changed, it does nothing if the last attempt read the same
// content, and reads once more if the files are not complete: a program may still be writing
// them.
func (f *Files) reload(changed bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := watch.Of(f.names())
	if changed && before == f.read {
		return nil
	}
	loaded, err := load(f.set)
	if changed && (err != nil || watch.Of(f.names()) != before) {
		time.Sleep(tornWrite)
		before = watch.Of(f.names())
		loaded, err = load(f.set)
	}
	if f.read = before; err != nil {
		f.log.Error("TLS files not reloaded, the certificate from before is served", "error", strings.ReplaceAll(err.Error(), "\n", "; "), "not_after", f.NotAfter())
		return err
	}
	f.current.Store(loaded)
	f.log.Info("TLS files reloaded", "certificate", strings.Join(subjects(f.leaf()), ", "), "not_after", f.NotAfter())
	return nil
}

// tornWrite is how long a program may take to write the files. An error in files that have
// just changed is logged only if they still have it afterwards.
const tornWrite = 100 * time.Millisecond

// names lists the files.
func (f *Files) names() []string {
	names := []string{f.set.CertFile, f.set.KeyFile, f.set.CACerts}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// subjects returns the names that a certificate is for, or its subject if it has none.
func subjects(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = append(names, cmp.Or(cert.Subject.CommonName, cert.Subject.String()))
	}
	return names
}
