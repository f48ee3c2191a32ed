// Package tlsfiles loads the certificates and keys that the configuration names, and loads
// them again when the files change.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/youmark/pkcs8"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// load returns the TLS configuration of a server as the files are now.
//
// Each configuration has keys of its own for session tickets, so that no session outlives a
// change of the files: the client shows its certificate again. crypto/tls does not ask for
// that: the keys of all configurations are those of the one that GetConfigForClient belongs
// to, and a resumed session is compared with the root certificates of ClientCAs only.
func load(cfg config.SSL) (*tls.Config, error) {
	pair, pairErr := keyPair(cfg)
	authorities, err := authorities(cfg.CACerts)
	if err := errors.Join(pairErr, err); err != nil {
		return nil, err
	}
	loaded := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: clientAuth(cfg.CertReqs), ClientCAs: authorities,
		NextProtos: []string{"h2", "http/1.1"}, // net/http adds them only to the outer configuration
	}
	loaded.WrapSession, loaded.UnwrapSession = loaded.EncryptTicket, loaded.DecryptTicket
	return loaded, nil
}

func keyPair(cfg config.SSL) (tls.Certificate, error) {
	chain, chainErr := read("ssl.certfile", cfg.CertFile)
	key, keyErr := chain, error(nil)
	if cfg.KeyFile != "" {
		key, keyErr = read("ssl.keyfile", cfg.KeyFile)
	}
	key, err := decrypted(key, cfg.KeyFilePassword)
	if err != nil {
		err = fmt.Errorf("ssl.keyfile_password: %w", err)
	}
	if err := errors.Join(chainErr, keyErr, err); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	switch {
	case err != nil && cfg.KeyFile == "" && !holdsKey(chain):
		err = fmt.Errorf("ssl.certfile: must hold the key too, because ssl.keyfile is empty, found none in %s", cfg.CertFile)
	case err != nil:
		err = fmt.Errorf("ssl.certfile, ssl.keyfile: %w", err)
	case pair.Leaf == nil: // GODEBUG=x509keypairleaf=0
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	return pair, err
}

// holdsKey reports whether a PEM file has a block that is a private key.
func holdsKey(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return true
		}
	}
	return false
}

// authorities returns the certificates of a file, or nil if no file is named.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil means no authorities
	}
	pem, err := read("ssl.ca_certs", file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ssl.ca_certs: %s holds no certificate", file)
	}
	return pool, nil
}

func read(key, file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return content, nil
}

// clientAuth translates Python's CERT_NONE, CERT_OPTIONAL and CERT_REQUIRED.
func clientAuth(certReqs int) tls.ClientAuthType {
	return [...]tls.ClientAuthType{tls.NoClientCert, tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert}[certReqs]
}

// decrypted returns the PEM blocks with the private key decrypted. It reads both
// encryptions: PKCS #8, and the older DEK-Info.
func decrypted(text []byte, password config.Secret) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return text, nil // not encrypted
		}
		inDEK := x509.IsEncryptedPEMBlock(block) //nolint:staticcheck // old keys are in use
		switch inPKCS8 := block.Type == "ENCRYPTED PRIVATE KEY"; {
		case (inPKCS8 || inDEK) && password.IsZero():
			return nil, errors.New("must be given, because the key is encrypted")
		case inPKCS8:
			key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password.Reveal()))
			if err != nil {
				return nil, errors.New("does not decrypt the key")
			}
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		case inDEK:
			der, err := x509.DecryptPEMBlock(block, []byte(password.Reveal())) //nolint:staticcheck // as above
			if err != nil {
				return nil, errors.New("does not decrypt the key")
			}
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
		}
	}
}
