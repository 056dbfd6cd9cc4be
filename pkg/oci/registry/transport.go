// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// newHTTP is the transport to one registry host, with the certificates that
// are trusted for it.
func newHTTP(host string, insecure bool) (http.RoundTripper, error) {
	conf, err := tlsConfig(host, insecure)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 20 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
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
	return &plainGuard{inner: t, host: host, insecure: insecure}, nil
}

// plainGuard refuses plain HTTP, also behind a redirect, but to a registry
// that may be insecure.
type plainGuard struct {
	inner    http.RoundTripper
	host     string
	insecure bool
}

func (g *plainGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !(g.insecure && r.URL.Host == g.host) && !isLoopback(r.URL.Host) {
		return nil, &plainError{r.URL.Host}
	}
	return g.inner.RoundTrip(r)
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

func tlsConfig(host string, insecure bool) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	// A host on this machine may speak plain HTTP; a certificate that it does
	// show is checked all the same, unless the user named it insecure.
	if insecure && !isLoopback(host) {
		conf.InsecureSkipVerify = true
	}
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
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("put the certificate of the registry's authority into %s", filepath.Join(certDirs()[0], host, "ca.crt"))
	case errors.As(err, &record):
		return (&plainError{host}).Hint()
	}
	return ""
}
