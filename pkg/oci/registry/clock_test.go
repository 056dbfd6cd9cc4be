// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A certificate counts for a time: where this machine has another one, that is what the
// error says, and what time it has.
func TestTimesOfCertificates(t *testing.T) {
	now := time.Now()
	for name, from := range map[string]time.Time{"not yet": now.AddDate(30, 0, 0), "not any more": now.AddDate(-30, 0, 0)} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: from.AddDate(1, 0, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		srv.Config.ErrorLog = log.New(io.Discard, "", 0) // which hears of the refusal
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
		srv.StartTLS()
		trusted := x509.NewCertPool()
		trusted.AddCert(cert)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}
		_, err = client.Get(srv.URL)
		srv.Close()
		hint := tlsHint("reg.example", err)
		if err == nil || !strings.Contains(hint, "at the time that this machine has: "+now.UTC().Format("2006-01-02")) || !strings.HasSuffix(hint, "(see: coracle doctor clock)") {
			t.Errorf("%s: %v: %q", name, err, hint)
		}
	}
}
