// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/moby/moby/api/types/registry"
)

// auths is a file of credentials: the user of each server; the password is pw.
func auths(t *testing.T, file string, of map[string]string) {
	t.Helper()
	var list []string
	for server, user := range of {
		list = append(list, fmt.Sprintf("%q:{%q:%q}", server, "auth", base64.StdEncoding.EncodeToString([]byte(user+":pw"))))
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"auths":{`+strings.Join(list, ",")+`}}`), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Jobs of a CI have no files: what is in their environment counts, as a whole file before
// all others, and the job's own account for its own registry after them.
func TestCredentialsOfAJob(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker"))
	for _, name := range []string{"REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		t.Setenv(name, "")
	}
	auths(t, filepath.Join(dir, ".docker/config.json"), map[string]string{"a.example": "file", "b.example": "file"})
	t.Setenv("CI_REGISTRY", "gitlab.example:5050")
	t.Setenv("CI_REGISTRY_USER", "job")
	t.Setenv("CI_REGISTRY_PASSWORD", "token")
	t.Setenv("CI_DEPENDENCY_PROXY_SERVER", "gitlab.example:443")
	t.Setenv("CI_DEPENDENCY_PROXY_USER", "proxy")
	t.Setenv("DOCKER_AUTH_CONFIG", `{"auths":{"a.example":{"auth":"ZW52OnB3"},"c.example/team":{"auth":"ZW52OnB3"}}}`)
	for host, want := range map[string]string{
		"a.example/x": "env", "b.example/x": "file", "c.example/team/x": "env", "c.example/x": "", "gitlab.example:5050/g/x": "job",
		"gitlab.example/g/x": "proxy", "gitlab.example:5051/g/x": "", "evil-gitlab.example:5050/x": "", "d.example/x": "",
	} {
		c, err := Access{}.stored(newEndpoint(host, false))
		if err != nil || c.Username != want {
			t.Errorf("%s: %q, %v; want %q", host, c.Username, err, want)
		}
	}
	t.Setenv("DOCKER_AUTH_CONFIG", "{")
	if _, err := (Access{}).stored(newEndpoint("a.example/x", false)); err == nil || !strings.Contains(err.Error(), "DOCKER_AUTH_CONFIG: ") {
		t.Errorf("what is no JSON: %v", err)
	}
}

func TestWhoIsShownToARegistry(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, "docker"))
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "named.json"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	auths(t, filepath.Join(dir, "docker/config.json"), map[string]string{"a.example": "docker", "https://index.docker.io/v1/": "hub"})
	auths(t, filepath.Join(dir, "named.json"), map[string]string{"a.example": "named", "b.example:5000": "named", "c.example/team": "team", "c.example/team/x": "x"})
	auths(t, filepath.Join(dir, "run/containers/auth.json"), map[string]string{"d.example": "run", "c.example": "run"})
	auths(t, filepath.Join(dir, "config/containers/auth.json"), map[string]string{"d.example": "config", "e.example": "config"})
	auths(t, filepath.Join(dir, "other/config.json"), map[string]string{"a.example": "other"})
	sent := &api.AuthConfig{Username: "sent", Password: "pw"}
	for _, tt := range []struct {
		name, domain string // of the endpoint, and the registry that the image's name says
		access       Access
		want         string
	}{
		{name: "a.example/x", want: "docker"},
		{name: "docker.io/library/busybox", want: "hub"},
		{name: "b.example:5000/x", want: "named"},
		{name: "b.example/x", want: ""},
		{name: "c.example/team/x/y", want: "x"},
		{name: "c.example/team/z", want: "team"},
		{name: "c.example/teams", want: "run"},
		{name: "d.example/x", want: "run"},
		{name: "e.example/x", want: "config"},
		{name: "nobody.example/x", want: ""},
		{name: "a.example/x", access: Access{ConfigDir: filepath.Join(dir, "other")}, want: "other"},
		{name: "a.example/x", access: Access{Auth: sent}, want: "sent"},
		{name: "docker.io/library/busybox", access: Access{Auth: sent}, want: "sent"},
		{name: "mirror.example/x", domain: "docker.io", access: Access{Auth: sent}, want: ""},
		{name: "a.example/x", domain: "docker.io", access: Access{Auth: sent}, want: "docker"},
	} {
		e := newEndpoint(tt.name, false)
		if tt.domain == "" {
			tt.domain = e.host
		}
		a, err := tt.access.authenticator(e, tt.domain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Authorization()
		if err != nil || got.Username != tt.want {
			t.Errorf("%s for %s: %+v, %v; want %q", tt.name, tt.domain, got, err, tt.want)
		}
	}
}

// TestCredentialHelper: the helper is a program of the user's.
func TestCredentialHelper(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nread server\nprintf '{\"ServerURL\":\"%s\",\"Username\":\"helped\",\"Secret\":\"pw\"}' \"$server\"\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-test"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, "none"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "none"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "none"))
	for _, where := range []string{"config.json", "auth.json"} {
		if err := os.WriteFile(filepath.Join(dir, where), []byte(`{"credHelpers":{"a.example":"test"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		a := Access{ConfigDir: dir}
		if where == "auth.json" {
			a = Access{}
			t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, where))
		}
		for host, want := range map[string]string{"a.example": "helped", "b.example": ""} {
			c, err := a.stored(newEndpoint(host+"/x", false))
			if err != nil || c.Username != want {
				t.Errorf("%s: %s is %q, %v", where, host, c.Username, err)
			}
		}
	}
}

func TestDamagedCredentials(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "auth.json"))
	t.Setenv("XDG_RUNTIME_DIR", dir)
	for _, f := range []string{"auth.json", "config.json"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (Access{ConfigDir: dir}).stored(newEndpoint("a.example/x", false)); err == nil || !strings.Contains(err.Error(), f) {
			t.Errorf("%s: %v", f, err)
		}
	}
}
