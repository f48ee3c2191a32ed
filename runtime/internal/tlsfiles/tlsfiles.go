// Package tlsfiles reads the certificates and keys that the configuration names.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/youmark/pkcs8"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Server returns the TLS configuration of a server. Nil: ssl.enabled is false.
func Server(cfg config.SSL) (*tls.Config, error) {
	if !cfg.Enabled {
		return nil, nil //nolint:nilnil // nil is plain HTTP
	}
	chain, err := os.ReadFile(cfg.CertFile)
	if err != nil {
		return nil, fmt.Errorf("ssl.certfile: %w", err)
	}
	key := chain
	if cfg.KeyFile != "" {
		if key, err = os.ReadFile(cfg.KeyFile); err != nil {
			return nil, fmt.Errorf("ssl.keyfile: %w", err)
		}
	}
	if key, err = decrypted(key, cfg.KeyFilePassword); err != nil {
		return nil, fmt.Errorf("ssl.keyfile_password: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("ssl.certfile, ssl.keyfile: %w", err)
	}
	secured := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: clientAuth(cfg.CertReqs)}
	if cfg.CACerts == "" {
		return secured, nil
	}
	authorities, err := os.ReadFile(cfg.CACerts)
	if err != nil {
		return nil, fmt.Errorf("ssl.ca_certs: %w", err)
	}
	secured.ClientCAs = x509.NewCertPool()
	if !secured.ClientCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("ssl.ca_certs: %s holds no certificate", cfg.CACerts)
	}
	return secured, nil
}

// clientAuth translates Python's CERT_NONE, CERT_OPTIONAL and CERT_REQUIRED.
func clientAuth(certReqs int) tls.ClientAuthType {
	return [...]tls.ClientAuthType{tls.NoClientCert, tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert}[certReqs]
}

// decrypted returns PEM blocks with the private key in the clear. It reads both
// encryptions: PKCS #8, and the older DEK-Info.
func decrypted(text []byte, password config.Secret) ([]byte, error) {
	if password.IsZero() {
		return text, nil
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return text, nil // not encrypted
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY":
			key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password.Reveal()))
			if err != nil {
				return nil, errors.New("does not open the key")
			}
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		case x509.IsEncryptedPEMBlock(block): //nolint:staticcheck // old keys are in use
			der, err := x509.DecryptPEMBlock(block, []byte(password.Reveal())) //nolint:staticcheck // as above
			if err != nil {
				return nil, errors.New("does not open the key")
			}
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
		}
	}
}
