package runtime_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: check.Value(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der := check.Value(x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key))(t)
	a.cert = check.Value(x509.ParseCertificate(der))(t)
	return a
}

// issue returns the PEM of a certificate for 127.0.0.1 and a name, and of its key.
func (a *authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	private := check.Value(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name, "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := check.Value(x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key))(a.t)
	encoded := check.Value(x509.MarshalPKCS8PrivateKey(private))(a.t)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// pem returns the certificate of the authority.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// client returns a client of HTTPS that trusts the authority.
func (a *authority) client(h2, keepAlive bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: h2, DisableKeepAlives: !keepAlive,
	}
	transport.TLSClientConfig.RootCAs.AddCert(a.cert)
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// folder has the files of a certificate and its key, cert.pem and key.pem.
type folder struct {
	t   *testing.T
	dir string
}

func (f folder) ssl() config.SSL {
	return config.SSL{Enabled: true, CertFile: filepath.Join(f.dir, "cert.pem"), KeyFile: filepath.Join(f.dir, "key.pem")}
}

// inPlace writes the files, byte by byte over what they have.
func (f folder) inPlace(_ int, cert, key []byte) {
	f.t.Helper()
	check.Must(f.t, os.WriteFile(f.ssl().CertFile, cert, 0o600), os.WriteFile(f.ssl().KeyFile, key, 0o600))
}

// renamed replaces the files one after the other.
func (f folder) renamed(_ int, cert, key []byte) {
	f.t.Helper()
	put(f.t, f.ssl().CertFile, string(cert))
	put(f.t, f.ssl().KeyFile, string(key))
}

// mounted replaces the files as the kubelet does: a link to their folder changes.
func (f folder) mounted(version int, cert, key []byte) {
	f.t.Helper()
	data, link := filepath.Join(f.dir, fmt.Sprint("..", version)), filepath.Join(f.dir, "..data")
	check.Must(f.t, os.Mkdir(data, 0o700), os.WriteFile(filepath.Join(data, "cert.pem"), cert, 0o600), os.WriteFile(filepath.Join(data, "key.pem"), key, 0o600))
	check.Must(f.t, os.Symlink(filepath.Base(data), link+".new"), os.Rename(link+".new", link))
	for _, name := range []string{"cert.pem", "key.pem"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(f.dir, name)); err != nil && !os.IsExist(err) {
			f.t.Fatal(err)
		}
	}
}

// serveTLS serves an app with the files of a folder.
func serveTLS(t *testing.T, ssl config.SSL) (s *server, app *runtime.App, log *awaited) {
	t.Helper()
	log, logger := newAwaited(t)
	app = newEcho(settings(func(c *config.Config) {
		c.SSL, c.Shutdown.Idle, c.Logging.AccessLog.Enabled = ssl, 5*time.Second, false
	}), logger)
	s = serve(t, app)
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	log.await("msg=serving") // it has read the files
	return s, app, log
}

// load sends requests until stop is called, which returns how many there were. Each of them
// must succeed.
func load(t *testing.T, client *http.Client, url, proto string) (stop func() int64) {
	var sent atomic.Int64
	var running sync.WaitGroup
	ending := make(chan struct{})
	running.Go(func() {
		for {
			select {
			case <-ending:
				return
			default:
			}
			res, err := client.Post(url+"/echo", "application/json", strings.NewReader(`{"text":"x"}`))
			if err != nil {
				t.Errorf("request %d: %v", sent.Load(), err)
				return
			}
			body, err := io.ReadAll(res.Body)
			if _ = res.Body.Close(); err != nil || string(body) != "X" || res.Proto != proto {
				t.Errorf("request %d: %s %q, %v", sent.Load(), res.Proto, body, err)
				return
			}
			sent.Add(1)
		}
	})
	return func() int64 { close(ending); running.Wait(); return sent.Load() }
}

// While the files are replaced, no request is lost, and new connections get the new
// certificate.
func TestRenewedUnderLoad(t *testing.T) {
	for name, replace := range map[string]func(folder, int, []byte, []byte){"in place": folder.inPlace, "renamed": folder.renamed, "mounted": folder.mounted} {
		t.Run(name, func(t *testing.T) {
			a, files := newAuthority(t), folder{t, t.TempDir()}
			cert, key := a.issue("version-0")
			replace(files, 0, cert, key)
			s, _, log := serveTLS(t, files.ssl())
			stops := []func() int64{
				load(t, a.client(false, true), s.url, "HTTP/1.1"), load(t, a.client(true, true), s.url, "HTTP/2.0"),
				load(t, a.client(false, false), s.url, "HTTP/1.1"), load(t, a.client(true, false), s.url, "HTTP/2.0"),
			}
			for version := 1; version <= 8; version++ {
				served := fmt.Sprintf("version-%d", version)
				cert, key = a.issue(served)
				replace(files, version, cert, key)
				log.await(`msg="TLS files reloaded" certificate="` + served)
				check.Equal(t, a.served(s), served)
			}
			for i, stop := range stops {
				if sent := stop(); sent == 0 {
					t.Errorf("load %d sent nothing", i)
				}
			}
		})
	}
}

// served returns the name of the certificate that a new connection gets.
func (a *authority) served(s *server) string {
	a.t.Helper()
	conn := check.Value(tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), a.client(false, false).Transport.(*http.Transport).TLSClientConfig))(a.t)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// A broken file is logged once, and the certificate from before is served. App.Reload reads
// the files too, and returns the error. The metric has the end of the validity.
func TestBrokenCertificate(t *testing.T) {
	a, files := newAuthority(t), folder{t, t.TempDir()}
	cert, key := a.issue("before")
	files.inPlace(0, cert, key)
	s, app, log := serveTLS(t, files.ssl())
	s.http = a.client(true, true)
	put(t, files.ssl().CertFile, "no certificate")
	const broken = "TLS files not reloaded, the certificate from before is served"
	log.await(broken)
	check.Equal(t, a.served(s), "before")
	if err := app.Reload(); err == nil || !strings.Contains(err.Error(), "ssl.certfile, ssl.keyfile: tls: failed to find any PEM data in certificate input") {
		t.Errorf("got %v", err)
	}
	check.Equal(t, strings.Count(log.String(), broken), 2) // one for each attempt
	after, key := a.issue("after")
	files.renamed(1, after, key)
	log.await("certificate=\"after, localhost\"")
	check.Equal(t, a.served(s), "after")
	block, _ := pem.Decode(after)
	parsed := check.Value(x509.ParseCertificate(block.Bytes))(t)
	check.Equal(t, s.samples("ekiben_tls_certificate_not_after_seconds"), fmt.Sprintf("ekiben_tls_certificate_not_after_seconds{} %s\n", strconv.FormatFloat(float64(parsed.NotAfter.Unix()), 'e', -1, 64)))
}

// When the file of client authorities changes, clients of the new one are let in and new
// connections of the others are refused. A connection that is open goes on.
func TestChangedAuthority(t *testing.T) {
	a, b, files := newAuthority(t), newAuthority(t), folder{t, t.TempDir()}
	cert, key := a.issue("server")
	files.inPlace(0, cert, key)
	ssl := files.ssl()
	ssl.CACerts, ssl.CertReqs = filepath.Join(files.dir, "clients.pem"), 2
	put(t, ssl.CACerts, string(a.pem()))
	s, _, log := serveTLS(t, ssl)
	known := func(from *authority) *http.Client {
		client := a.client(true, true)
		pair := check.Value(tls.X509KeyPair(from.issue("client")))(t)
		set := client.Transport.(*http.Transport).TLSClientConfig
		set.Certificates, set.ClientSessionCache = []tls.Certificate{pair}, tls.NewLRUClientSessionCache(1)
		return client
	}
	reaches := func(client *http.Client) error {
		res, err := client.Get(s.url + "/readyz")
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		return err
	}
	old, open, next := known(a), known(a), known(b)
	check.OK(t, reaches(old), reaches(open))
	if reaches(next) == nil {
		t.Error("an unknown client was let in")
	}
	old.CloseIdleConnections()
	put(t, ssl.CACerts, string(b.pem()))
	log.await("TLS files reloaded")
	if reaches(old) == nil {
		t.Error("a client whose authority was removed was let in, perhaps by its session ticket")
	}
	check.OK(t, reaches(open), reaches(next))
}
