package otlp_test

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
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// authority issues certificates for 127.0.0.1.
type authority struct {
	file string
	pool *x509.CertPool
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.file, _, a.cert, a.key = issue(t, template, nil)
	a.pool.AddCert(a.cert)
	return a
}

// issues writes a certificate and its key to files.
func (a *authority) issues(t *testing.T, name string) (cert, key string) {
	t.Helper()
	cert, key, _, _ = issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a)
	return cert, key
}

// serves returns the TLS configuration of a collector. If clients requires it,
// clients must show a certificate of the same authority.
func (a *authority) serves(t *testing.T, clients tls.ClientAuthType) *tls.Config {
	t.Helper()
	cert := check.Value(tls.LoadX509KeyPair(a.issues(t, "collector")))(t)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: a.pool, ClientAuth: clients, MinVersion: tls.VersionTLS12}
}

// issue signs template by an authority; nil: the certificate signs itself.
func issue(t *testing.T, template *x509.Certificate, by *authority) (certFile, keyFile string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	key = check.Value(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der := check.Value(x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer))(t)
	cert = check.Value(x509.ParseCertificate(der))(t)
	private := check.Value(x509.MarshalPKCS8PrivateKey(key))(t)
	write := func(name, kind string, data []byte) string {
		file := filepath.Join(t.TempDir(), name)
		check.Must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private), cert, key
}
