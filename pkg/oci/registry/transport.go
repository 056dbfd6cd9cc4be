// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"coracle/pkg/hint"
)

// newHTTP is the transport to one registry host, with the certificates that
// are trusted for it.
//
// insecure lets it speak plain HTTP; named says that the user called it
// insecure, so that its certificate is not checked either.
func newHTTP(host string, insecure, named bool) (http.RoundTripper, error) {
	conf, err := tlsConfig(host, named)
	if err != nil {
		return nil, err
	}
	g := &guard{host: host, insecure: insecure, own: map[netip.Addr]bool{}}
	g.inner = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           g.dial,
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: stallTime,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
		// A registry may not make us hold more than a reasonable header.
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true,
	}
	return g, nil
}

type plainError struct{ host string }

func (e *plainError) Error() string { return "refuse plain HTTP to " + e.host }
func (e *plainError) Hint() string {
	return fmt.Sprintf("if %s has no TLS, say so in %s: [[registry]] location = %q insecure = true", e.host, ConfigFile(), e.host)
}

// certDirs are searched for HOST[:PORT]/*.crt, and for *.cert with *.key to
// show a certificate of our own.
func certDirs() []string {
	home := os.Getenv("HOME")
	return []string{
		filepath.Join(configHome(), "coracle", "certs.d"),
		filepath.Join(configHome(), "containers", "certs.d"),
		filepath.Join(home, ".docker", "certs.d"),
		"/etc/containers/certs.d",
		"/etc/docker/certs.d",
	}
}

func tlsConfig(host string, unchecked bool) (*tls.Config, error) {
	// A host on this machine may speak plain HTTP; a certificate that it does
	// show is checked all the same, unless the user named it insecure.
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: unchecked}
	var extra []string
	for _, dir := range certDirs() {
		files, _ := filepath.Glob(filepath.Join(dir, host, "*.crt"))
		extra = append(extra, files...)
		keys, _ := filepath.Glob(filepath.Join(dir, host, "*.key"))
		for _, key := range keys {
			cert, err := tls.LoadX509KeyPair(strings.TrimSuffix(key, ".key")+".cert", key)
			if err != nil {
				return nil, fmt.Errorf("load client certificate: %w", err)
			}
			conf.Certificates = append(conf.Certificates, cert)
		}
	}
	if len(extra) == 0 {
		return conf, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range extra {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("load certificate: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("load certificate: %s has none", file)
		}
	}
	conf.RootCAs = pool
	return conf, nil
}

// tlsHint says what to do about a certificate that nobody vouches for.
func tlsHint(host string, err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return hint.Clock.After("the certificate does not count yet, or not any more, at the time that this machine has: " + time.Now().UTC().Format(time.RFC3339) + "; set its clock, if that is wrong")
	case errors.As(err, &unknown):
		return fmt.Sprintf("put the certificate of the registry's authority into %s", filepath.Join(certDirs()[0], host, "ca.crt")) + ", or name it in SSL_CERT_FILE"
	case errors.As(err, &record):
		return (&plainError{host}).Hint()
	}
	return ""
}
