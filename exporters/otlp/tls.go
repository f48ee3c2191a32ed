package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS secures the connection to a collector. Files are in PEM format and are
// read once, when an exporter is made.
type TLS struct {
	// CA is the file of the authority that signed the collector's certificate.
	// Default: the system's authorities.
	CA string
	// Cert and Key are the files of the client certificate. Default: none.
	Cert, Key string
	// Insecure disables TLS if Endpoint has no scheme. Default: TLS is used.
	Insecure bool
}

// config reads the files, also for an endpoint without TLS, so that Validate reports a
// wrong name.
func (t TLS) config() (*tls.Config, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	return secure, errors.Join(t.readCA(secure), t.readCertificate(secure))
}

func (t TLS) readCA(secure *tls.Config) error {
	if t.CA == "" {
		return nil
	}
	data, err := os.ReadFile(t.CA)
	if err != nil {
		return fmt.Errorf("otlp.tls.ca: %w", err)
	}
	secure.RootCAs = x509.NewCertPool()
	if !secure.RootCAs.AppendCertsFromPEM(data) {
		return fmt.Errorf("otlp.tls.ca: must be a PEM file of certificates, found none in %s", t.CA)
	}
	return nil
}

func (t TLS) readCertificate(secure *tls.Config) error {
	switch {
	case t.Cert == "" && t.Key == "":
		return nil
	case t.Cert == "":
		return errors.New("otlp.tls.cert: must be given, because otlp.tls.key is")
	case t.Key == "":
		return errors.New("otlp.tls.key: must be given, because otlp.tls.cert is")
	}
	certificate, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return fmt.Errorf("otlp.tls.cert, otlp.tls.key: %w", err)
	}
	secure.Certificates = []tls.Certificate{certificate}
	return nil
}
