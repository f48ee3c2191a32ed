package runtime_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// certify makes a certificate that signs itself, for servers and clients.
func certify(t *testing.T) (cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTLS(t *testing.T) {
	cert, key := certify(t)
	encrypted, err := pkcs8.MarshalPrivateKey(key, []byte("pass"), nil)
	if err != nil {
		t.Fatal(err)
	}
	certFile := writePEM(t, "cert.pem", "CERTIFICATE", cert.Raw)
	ssl := config.SSL{
		Enabled: true, CertFile: certFile, KeyFile: writePEM(t, "key.pem", "ENCRYPTED PRIVATE KEY", encrypted),
		KeyFilePassword: config.NewSecret("pass"), CACerts: certFile, CertReqs: 2,
	}
	s := serve(t, newEcho(), settings(func(c *config.Config) { c.SSL = ssl }))
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	transport := s.http.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if got, err := s.try("POST", "/echo", `{"text":"x"}`); err == nil {
		t.Errorf("a client without a certificate got %d %s", got.status, got.body)
	}
	transport.CloseIdleConnections()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	s.post("/echo", `{"text":"x"}`).want(t, 200, "X")

	for want, change := range map[string]func(*config.SSL){
		"ssl.certfile: open none: no such file":                                 func(c *config.SSL) { c.CertFile = "none" },
		"ssl.keyfile: open none: no such file":                                  func(c *config.SSL) { c.KeyFile = "none" },
		"ssl.keyfile_password: does not open the key":                           func(c *config.SSL) { c.KeyFilePassword = config.NewSecret("CANARY") },
		"ssl.certfile, ssl.keyfile: tls: found a certificate rather than a key": func(c *config.SSL) { c.KeyFile = c.CertFile },
		"ssl.ca_certs: open none: no such file":                                 func(c *config.SSL) { c.CACerts = "none" },
		"holds no certificate":                                                  func(c *config.SSL) { c.CACerts = c.KeyFile },
	} {
		bad := ssl
		change(&bad)
		_, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), settings(func(c *config.Config) { c.SSL = bad }))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A readiness check holds /readyz back, and those of dependencies as
// runner_probe says.
func TestReady(t *testing.T) {
	for _, probed := range []bool{true, false} {
		var problem, state atomic.Value
		state.Store("ready")
		problem.Store("")
		hang := make(chan struct{})
		below := runtime.NewService("Below")
		below.Ready(func(context.Context) error {
			if text := problem.Load(); text != "" {
				return errors.New(text.(string))
			}
			return nil
		})
		front := newEcho()
		front.DependsOn(below)
		front.Ready(func(context.Context) error {
			switch state.Load() {
			case "panics":
				panic("secret")
			case "hangs":
				<-hang
			}
			return nil
		})
		s := serve(t, front, settings(func(c *config.Config) {
			c.RunnerProbe = config.RunnerProbe{Enabled: probed, Timeout: 100 * time.Millisecond}
		}))
		s.do("GET", "/readyz", "").want(t, 200, "\n")
		state.Store("panics")
		s.do("GET", "/readyz", "").want(t, 503, "service Echo is not ready\n")
		state.Store("hangs")
		for range 3 {
			s.do("GET", "/readyz", "").want(t, 503, "service Echo is not ready\n")
		}
		close(hang)
		state.Store("ready")
		eventually(t, "ready again", func() bool { return s.do("GET", "/readyz", "").status == 200 })
		problem.Store("no model")
		if probed {
			s.do("GET", "/readyz", "").want(t, 503, "service Below is not ready\n")
		} else {
			s.do("GET", "/readyz", "").want(t, 200, "\n")
		}
		s.do("GET", "/livez", "").want(t, 200, "\n")
	}
}
