package tlsfiles

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// certify makes a self-signed certificate for servers and clients.
func certify(t *testing.T) (cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	key = check.Value(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := check.Value(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)
	cert = check.Value(x509.ParseCertificate(der))(t)
	return cert, key
}

func write(t *testing.T, dir, name string, blocks ...*pem.Block) string {
	t.Helper()
	var content []byte
	for _, block := range blocks {
		content = append(content, pem.EncodeToMemory(block)...)
	}
	file := filepath.Join(dir, name)
	check.Must(t, os.WriteFile(file, content, 0o600))
	return file
}

// keys writes a key in every form that Open reads, and returns the files.
func keys(t *testing.T, dir string, cert *x509.Certificate, key *ecdsa.PrivateKey) map[string]config.SSL {
	t.Helper()
	plain, err1 := x509.MarshalPKCS8PrivateKey(key)
	encrypted, err2 := pkcs8.MarshalPrivateKey(key, []byte("pass"), nil)
	ec, err3 := x509.MarshalECPrivateKey(key)
	old, err4 := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", ec, []byte("pass"), x509.PEMCipherAES256)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	chain, private := &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}, &pem.Block{Type: "PRIVATE KEY", Bytes: plain}
	certFile, pass := write(t, dir, "cert.pem", chain), config.NewSecret("pass")
	return map[string]config.SSL{
		"plain":         {CertFile: certFile, KeyFile: write(t, dir, "key.pem", private)},
		"needless pass": {CertFile: certFile, KeyFile: write(t, dir, "key.pem", private), KeyFilePassword: pass},
		"one file":      {CertFile: write(t, dir, "both.pem", chain, private)},
		"PKCS #8":       {CertFile: certFile, KeyFile: write(t, dir, "pkcs8.pem", &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: encrypted}), KeyFilePassword: pass},
		"DEK-Info":      {CertFile: certFile, KeyFile: write(t, dir, "dek.pem", old), KeyFilePassword: pass},
	}
}

// A key is read in each form. cert_reqs decides whether a client needs a certificate.
func TestOpen(t *testing.T) {
	if got, err := Open(config.SSL{CertFile: "nowhere"}, nil); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	cert, key := certify(t)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	anonymous := &tls.Config{RootCAs: roots, ServerName: "test", MinVersion: tls.VersionTLS12}
	known := anonymous.Clone()
	known.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	for name, ssl := range keys(t, t.TempDir(), cert, key) {
		t.Run(name, func(t *testing.T) {
			ssl.Enabled = true
			for certReqs, refused := range []bool{false, false, true} {
				if ssl.CertReqs = certReqs; certReqs > 0 {
					ssl.CACerts = ssl.CertFile
				}
				server := check.Value(Open(ssl, nil))(t).Config()
				if err := shake(server, anonymous); (err != nil) != refused {
					t.Errorf("cert_reqs %d, a client without a certificate: %v", certReqs, err)
				}
				if err := shake(server, known); err != nil {
					t.Errorf("cert_reqs %d, a client with a certificate: %v", certReqs, err)
				}
			}
		})
	}
}

// shake returns the server's error of a handshake.
func shake(server, client *tls.Config) error {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(ours, client).Handshake()
		_, _ = ours.Read(make([]byte, 1024)) // session tickets or an alert
	}()
	err := tls.Server(theirs, server).Handshake()
	_ = theirs.Close()
	<-done
	_ = ours.Close()
	return err
}

// All errors are returned at once. Each names its key, and none has the password.
func TestOpenErrors(t *testing.T) {
	cert, key := certify(t)
	forms := keys(t, t.TempDir(), cert, key)
	for name, test := range map[string]struct {
		form   string
		change func(*config.SSL)
		want   []string // prefixes of lines
	}{
		"no files": {"plain", func(c *config.SSL) { c.CertFile, c.KeyFile, c.CACerts = "none1", "none2", "none3" },
			[]string{"ssl.certfile: open none1: ", "ssl.keyfile: open none2: ", "ssl.ca_certs: open none3: "}},
		"wrong password":     {"PKCS #8", func(c *config.SSL) { c.KeyFilePassword = config.NewSecret("CANARY") }, []string{"ssl.keyfile_password: does not decrypt the key"}},
		"wrong old password": {"DEK-Info", func(c *config.SSL) { c.KeyFilePassword = config.NewSecret("CANARY") }, []string{"ssl.keyfile_password: does not decrypt the key"}},
		"no key":             {"plain", func(c *config.SSL) { c.KeyFile = c.CertFile }, []string{"ssl.certfile, ssl.keyfile: tls: found a certificate rather than a key"}},
		"no key at all":      {"plain", func(c *config.SSL) { c.KeyFile = "" }, []string{"ssl.certfile: must hold the key too, because ssl.keyfile is empty, found none in " + forms["plain"].CertFile}},
		"no password":        {"PKCS #8", func(c *config.SSL) { c.KeyFilePassword = config.Secret{} }, []string{"ssl.keyfile_password: must be given, because the key is encrypted"}},
		"no old password":    {"DEK-Info", func(c *config.SSL) { c.KeyFilePassword = config.Secret{} }, []string{"ssl.keyfile_password: must be given, because the key is encrypted"}},
		"no authority":       {"plain", func(c *config.SSL) { c.CACerts = c.KeyFile }, []string{"ssl.ca_certs: " + forms["plain"].KeyFile + " holds no certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			ssl := forms[test.form]
			ssl.Enabled = true
			test.change(&ssl)
			_, err := Open(ssl, nil)
			if err == nil {
				t.Fatal("no error")
			}
			lines := strings.Split(err.Error(), "\n")
			for i, want := range test.want {
				if len(lines) != len(test.want) || !strings.HasPrefix(lines[i], want) || strings.Contains(lines[i], "CANARY") {
					t.Errorf("got\n%v\nwant line %d to begin with %s", err, i+1, want)
				}
			}
		})
	}
}
