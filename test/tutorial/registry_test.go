// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"coracle/internal/testutil"
)

// startRegistry runs the distribution registry with TLS and a login, andem
// with the password s3cret, and lets the user trust it.
func startRegistry(t *testing.T, u *user) string {
	t.Helper()
	addr := "127.0.0.1:" + testutil.FreePort(t)
	dir := filepath.Join(u.home, "registry")
	cert, key, err := testutil.Certificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
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

// noRegistry is an address at which nobody listens.
func noRegistry(t *testing.T) string { return "127.0.0.1:" + testutil.FreePort(t) }
