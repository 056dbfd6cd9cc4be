// SPDX-License-Identifier: Apache-2.0

package api

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// hub is what Docker Hub answers to a search, as it stood in its answers in 2025.
const hub = `{"num_pages":1,"num_results":2,"page":1,"page_size":2,"query":"busybox","results":[
{"name":"busybox","description":"Busybox base image.","star_count":3400,"is_trusted":false,"is_automated":false,"is_official":true},
{"name":"rancher/busybox","description":"` + `with \u001b[31mcolours` + `","star_count":4,"is_trusted":false,"is_automated":true,"is_official":false}]}`

// hub is Docker Hub's index, to which the only way leads through a proxy that the
// user has, and whose authority he trusts. It says what it was asked for.
func (u *user) hub() (asked func() string) {
	u.t.Helper()
	const host = "index.docker.io"
	cert, key, err := testutil.Certificate(host)
	if err != nil {
		u.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		u.t.Fatal(err)
	}
	seen := make(chan string, 100)
	index := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Host + r.URL.RequestURI() + " " + r.Header.Get("Authorization")
		if r.URL.Path != "/v1/search" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, hub)
	}))
	index.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	index.StartTLS()
	u.t.Cleanup(index.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != host+":443" {
			http.Error(w, "no way to "+r.Host, http.StatusBadGateway)
			return
		}
		through(w, index.Listener.Addr().String())
	}))
	u.t.Cleanup(proxy.Close)
	u.write(testutil.File{Name: "hub.pem", Text: cert})
	u.env = append(u.env, "HTTPS_PROXY="+proxy.URL, "https_proxy=", "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE="+u.home+"/hub.pem")
	return func() string {
		select {
		case s := <-seen:
			return s
		default:
			return ""
		}
	}
}

// through leads a client of a proxy to an address.
func through(w http.ResponseWriter, addr string) {
	there, err := net.Dial("tcp", addr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(there, here); there.Close() }()
	_, _ = io.Copy(here, there)
}

// TestSearchHub asks Docker Hub by the program's command line, and by Docker's over a
// socket: who is nobody, and who has an account.
func TestSearchHub(t *testing.T) {
	u := newUser(t)
	asked := u.hub()
	const table = "NAME              DESCRIPTION           STARS     OFFICIAL\nbusybox           Busybox base image.   3400      [OK]\nrancher/busybox   with [31mcolours      4"
	if got := u.ok("search", "--limit", "2", "docker.io/library/busybox"); strings.TrimRight(got, " ") != table {
		t.Errorf("%s, want\n%s", got, table)
	}
	if got := asked(); got != "index.docker.io/v1/search?n=2&q=busybox " || asked() != "" {
		t.Errorf("the hub was asked %q", got)
	}
	if got := u.ok("search", "-f", "is-official=true", "-f", "stars=3", "--format", "{{.Name}}", "busybox"); got != "busybox" {
		t.Errorf("%q", got)
	}
	asked()
	u.write(testutil.File{Name: ".docker/config.json", Text: `{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6c2VjcmV0"}}}`, Mode: 0o600})
	u.ok("search", "busybox")
	if got := asked(); got != "index.docker.io/v1/search?n=25&q=busybox Basic bWU6c2VjcmV0" {
		t.Errorf("the hub was asked %q", got)
	}
	for name, of := range map[string]func(*user) string{
		"docker":   func(u *user) string { return client(u.t, "docker") },
		"Debian's": func(u *user) string { return u.debian("").path },
	} {
		t.Run(name, func(t *testing.T) {
			u := *u
			u.t = t
			out := u.works(of(&u), "search", "--no-trunc", "--limit", "3", "busybox")
			testutil.Contains(t, out, "busybox           Busybox base image.   3400      [OK]", "rancher/busybox   with [31mcolours      4")
			if got := asked(); got != "index.docker.io/v1/search?n=3&q=busybox Basic bWU6c2VjcmV0" {
				t.Errorf("the hub was asked %q", got)
			}
		})
	}
	t.Run("docker-py", func(t *testing.T) {
		const python = "/usr/bin/python3"
		if err := exec.Command(python, "-c", "import docker").Run(); err != nil {
			t.Skip("python3-docker is not installed")
		}
		u := *u
		u.t = t
		got := u.works(python, "-c", "import docker; print([(r['name'], r['star_count'], r['is_official'], r['is_automated']) for r in docker.from_env(version='auto').images.search('busybox')])")
		if got != "[('busybox', 3400, True, False), ('rancher/busybox', 4, False, False)]\n" {
			t.Error(got)
		}
	})
}
