package tlsfiles

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// open opens the files of a server with a plain key, whose clients need a certificate of
// the file clients, and returns its log.
func open(t *testing.T) (f *Files, log *bytes.Buffer) {
	t.Helper()
	cert, key := certify(t)
	ssl := keys(t, t.TempDir(), cert, key)["plain"]
	ssl.Enabled, ssl.CACerts, ssl.CertReqs = true, ssl.CertFile+".clients", 2
	trust(t, ssl, cert)
	log = &bytes.Buffer{}
	return check.Value(Open(ssl, slog.New(slog.NewTextHandler(log, nil))))(t), log
}

// trust writes the file of client authorities.
func trust(t *testing.T, ssl config.SSL, cert *x509.Certificate) {
	t.Helper()
	check.Must(t, os.WriteFile(ssl.CACerts, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600))
}

// A file with an error changes nothing and makes one line of the log. The same content is
// not read again after an event.
func TestBrokenFiles(t *testing.T) {
	f, log := open(t)
	served, good := f.current.Load(), check.Value(os.ReadFile(f.set.CertFile))(t)
	for name, content := range map[string][]byte{"cut off": good[:len(good)/2], "empty": nil, "of another key": other(t)} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			check.Must(t, os.WriteFile(f.set.CertFile, content, 0o600))
			if f.reload(true) == nil || f.reload(true) != nil {
				t.Error("want one error")
			}
			if f.current.Load() != served || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("logged %s", log)
			}
			check.Contains(t, log.String(), `level=ERROR msg="TLS files not reloaded, the certificate from before is served" error="ssl.certfile`, "not_after=20")
		})
	}
	check.Must(t, os.WriteFile(f.set.CertFile, good, 0o600))
	check.Must(t, f.reload(true))
	check.Contains(t, log.String(), `level=INFO msg="TLS files reloaded" certificate=test not_after=20`)
	if f.current.Load() == served {
		t.Error("not reloaded")
	}
}

// other returns a certificate without its key.
func other(t *testing.T) []byte {
	cert, _ := certify(t)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// A client resumes its session while the files are the same. After a change, also one of
// other files than its authority, it shows its certificate again.
func TestSessions(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			f, _ := open(t)
			server := f.Config()
			pair := check.Value(tls.LoadX509KeyPair(f.set.CertFile, f.set.KeyFile))(t)
			roots := x509.NewCertPool()
			roots.AddCert(pair.Leaf)
			client := &tls.Config{
				RootCAs: roots, ServerName: "test", MinVersion: version, MaxVersion: version,
				Certificates: []tls.Certificate{pair}, ClientSessionCache: tls.NewLRUClientSessionCache(1),
			}
			check.Equal(t, resumed(t, server, client), []bool{false, true, true})
			check.Must(t, f.Reload())
			check.Equal(t, resumed(t, server, client), []bool{false, true, true})
			stranger, _ := certify(t)
			trust(t, f.set, stranger)
			check.Must(t, f.Reload())
			if _, err := connect(t, server, client); err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
				t.Errorf("a client whose authority was removed: %v", err)
			}
		})
	}
}

// resumed makes three connections, and reports which of them resumed a session.
func resumed(t *testing.T, server, client *tls.Config) (resumed []bool) {
	t.Helper()
	for range 3 {
		did, err := connect(t, server, client)
		check.Must(t, err)
		resumed = append(resumed, did)
	}
	return resumed
}

// connect makes a connection and reads a byte from the server, so that both have verified
// each other and the client has a ticket.
func connect(t *testing.T, server, client *tls.Config) (resumed bool, err error) {
	t.Helper()
	listener := check.Value(tls.Listen("tcp", "127.0.0.1:0", server))(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if conn, err := listener.Accept(); err == nil {
			_, _ = conn.Write([]byte("x"))
			_, _ = conn.Read(make([]byte, 1)) // until the client ends
			_ = conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
		resumed = conn.ConnectionState().DidResume
		_ = conn.Close()
	}
	check.Must(t, listener.Close())
	<-ended
	return resumed, err
}

// Follow ends with its context, and takes a change from before it.
func TestFollow(t *testing.T) {
	f, _ := open(t)
	served := f.current.Load()
	stranger, _ := certify(t)
	trust(t, f.set, stranger)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Follow(ctx) }()
	for f.current.Load() == served {
		runtime.Gosched()
	}
	cancel()
	<-ended
}
