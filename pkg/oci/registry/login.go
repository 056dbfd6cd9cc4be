// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// dockerKey is the name under which the credentials for Docker Hub are kept.
const dockerKey = "https://index.docker.io/v1/"

// credentialKey is the name of a server in the credential files.
func credentialKey(server string) string {
	switch server {
	case "", "docker.io", "index.docker.io", "registry-1.docker.io", dockerKey:
		return dockerKey
	}
	return server
}

// Login checks credentials with the registry and keeps them where docker and
// podman look for them: in the credential helper that config.json names, else
// in that file, readable by the user alone.
func (c *Client) Login(ctx context.Context, server, user, password string) error {
	if err := c.Check(ctx, server, user, password); err != nil {
		return err
	}
	return c.access.store(server, user, password)
}

// TrimServer takes what users and clients put around a registry's name.
func TrimServer(s string) string {
	if strings.Contains(s, "index.docker.io/v1") {
		return ""
	}
	for _, p := range []string{"https://", "http://"} {
		s = strings.TrimPrefix(s, p)
	}
	s, _, _ = strings.Cut(s, "/")
	return s
}

// Check is Login that keeps nothing.
func (c *Client) Check(ctx context.Context, server, user, password string) error {
	list, err := c.config.endpoints(domainOf(server), "x", false)
	if err != nil {
		return err
	}
	e := list[len(list)-1]
	auth := authn.FromConfig(authn.AuthConfig{Username: user, Password: password})
	reg, rt, err := c.authenticate(ctx, e, auth, func(name.Registry) []string { return nil })
	if err != nil {
		return loginError(e.host, err)
	}
	url := fmt.Sprintf("https://%s/v2/", reg.RegistryStr())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		return explain(e.host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return loginError(e.host, explain(e.host, checkStatus(resp)))
	}
	return nil
}

func domainOf(server string) string {
	if credentialKey(server) == dockerKey {
		return "docker.io"
	}
	return server
}

func loginError(host string, err error) error {
	var e *Error
	if !errors.As(err, &e) || !e.Denied() {
		return err
	}
	return &Error{
		Host: host, Status: e.Status, Code: e.Code,
		err: fmt.Errorf("login attempt to https://%s/v2/ failed with status: %d %s", host, e.Status, http.StatusText(e.Status)),
	}
}

func checkStatus(resp *http.Response) error {
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return err
	}
	return fmt.Errorf("unexpected status: %s", resp.Status)
}

// store keeps credentials.
func (a Access) store(server, user, password string) error {
	f, err := config.Load(a.dir())
	if err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	key := credentialKey(server)
	err = f.GetCredentialsStore(key).Store(types.AuthConfig{ServerAddress: key, Username: user, Password: password})
	if err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	return nil
}

// StoredLogin returns what is kept for server.
func (a Access) StoredLogin(server string) (user, password string) {
	f, err := config.Load(a.dir())
	if err != nil {
		return "", ""
	}
	c, err := f.GetCredentialsStore(credentialKey(server)).Get(credentialKey(server))
	if err != nil {
		return "", ""
	}
	return c.Username, c.Password
}

// Logout forgets the credentials for server, and reports whether there were
// any.
func (a Access) Logout(server string) (bool, error) {
	f, err := config.Load(a.dir())
	if err != nil {
		return false, fmt.Errorf("remove credentials: %w", err)
	}
	key := credentialKey(server)
	s := f.GetCredentialsStore(key)
	if c, err := s.Get(key); err != nil || c.Username == "" && c.IdentityToken == "" {
		return false, nil
	}
	if err := s.Erase(key); err != nil {
		return false, fmt.Errorf("remove credentials: %w", err)
	}
	return true, nil
}
