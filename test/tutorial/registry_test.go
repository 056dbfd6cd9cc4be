// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// startRegistry runs the distribution registry with TLS and a login, andem
// with the password s3cret, and lets the user trust it.
func startRegistry(t *testing.T, u *user) string {
	t.Helper()
	addr := "127.0.0.1:" + testutil.FreePort(t)
	dir := filepath.Join(u.home, "registry")
	cert, key := certificate(t)
	certFile, keyFile := u.write("registry/cert.pem", cert), u.write("registry/key.pem", key)
	u.write(".config/coracle/certs.d/"+addr+"/ca.crt", cert)
	htpasswd := u.write("registry/htpasswd", "andem:$2y$05$9z6d2ibDPG2CLYawrLQASe8gALJyzL.l8hztUiRfnYzUTdsAR8nEm\n")
	config := u.write("registry/config.yml", fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}}
http: {addr: %q, tls: {certificate: %q, key: %q}}
auth: {htpasswd: {realm: test, path: %q}}
`, filepath.Join(dir, "data"), addr, certFile, keyFile, htpasswd))
	cmd := exec.Command("docker-registry", "serve", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	testutil.Eventually(t, "the registry listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

// certificate is for 127.0.0.1, signed by itself.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test registry"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

// noRegistry is an address at which nobody listens.
func noRegistry(t *testing.T) string { return "127.0.0.1:" + testutil.FreePort(t) }
