// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	api "github.com/moby/moby/api/types/registry"
)

// Access is who asks: what a request brings along to be let in by registries.
type Access struct {
	UserAgent string `json:"userAgent,omitempty"`
	// ConfigDir is where the config.json with credentials is; empty: as Docker
	// finds it, by DOCKER_CONFIG or in the home directory.
	ConfigDir string `json:"configDir,omitempty"`
	// Auth counts instead of what the files have, for the registry that a name
	// says, and for no mirror of it. Docker's clients send it with a request.
	Auth *api.AuthConfig `json:"auth,omitempty"`
	// Auths likewise, for each registry by its name: what a build asks may be of
	// several.
	Auths map[string]api.AuthConfig `json:"auths,omitempty"`
}

// sent are the credentials that came along for a registry, or nil.
func (a Access) sent(domain string) *api.AuthConfig {
	if a.Auth != nil {
		return a.Auth
	}
	for server, auth := range a.Auths {
		if credentialKey(TrimServer(server)) == credentialKey(domain) {
			return &auth
		}
	}
	return nil
}

// authenticator finds the credentials for the repository at an endpoint. domain
// is the registry that the name of the image says.
func (a Access) authenticator(e endpoint, domain string) (authn.Authenticator, error) {
	if sent := a.sent(domain); sent != nil && credentialKey(e.host) == credentialKey(domain) {
		return authn.FromConfig(authn.AuthConfig{
			Username: sent.Username, Password: sent.Password, Auth: sent.Auth, IdentityToken: sent.IdentityToken, RegistryToken: sent.RegistryToken,
		}), nil
	}
	c, err := a.stored(e)
	if err != nil {
		return nil, err
	}
	if c.ServerAddress = ""; c == (types.AuthConfig{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: c.Username, Password: c.Password, Auth: c.Auth, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
	}), nil
}

// stored is what the first of the user's files that knows the registry has:
// Docker's, and then those of podman. What a job of a CI has in its environment
// is looked at before them and after them.
func (a Access) stored(e endpoint) (c types.AuthConfig, err error) {
	if text := os.Getenv(authConfig); text != "" {
		f, err := config.LoadFromReader(strings.NewReader(text))
		if err != nil {
			return c, fmt.Errorf("%s: %w", authConfig, err)
		}
		if c, known, err := podmans(f, e); known || err != nil {
			return c, err
		}
	}
	if c, err = a.inFiles(e); err != nil || c != (types.AuthConfig{}) {
		return c, err
	}
	return ofJob(e), nil
}

// authConfig holds what is in a config.json, as for docker login of Docker 28 and
// runners of GitLab.
const authConfig = "DOCKER_AUTH_CONFIG"

// ofJob is what GitLab gives each job for its own registry and its proxy of Docker
// Hub (docs.gitlab.com/ci/variables/predefined_variables).
func ofJob(e endpoint) types.AuthConfig {
	for _, v := range [][3]string{
		{"CI_REGISTRY", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"},
		{"CI_DEPENDENCY_PROXY_SERVER", "CI_DEPENDENCY_PROXY_USER", "CI_DEPENDENCY_PROXY_PASSWORD"},
	} {
		host, user, password := os.Getenv(v[0]), os.Getenv(v[1]), os.Getenv(v[2])
		if host != "" && user != "" && strings.TrimSuffix(host, ":443") == strings.TrimSuffix(e.host, ":443") {
			return types.AuthConfig{Username: user, Password: password}
		}
	}
	return types.AuthConfig{}
}

func (a Access) inFiles(e endpoint) (c types.AuthConfig, err error) {
	if isFile(filepath.Join(a.dir(), config.ConfigFileName)) {
		f, err := config.Load(a.dir())
		if err != nil {
			return c, err
		}
		c, err = f.GetAuthConfig(credentialKey(e.host))
		if err != nil || c.Username+c.Auth+c.IdentityToken+c.RegistryToken != "" {
			return c, err
		}
	}
	for _, file := range []string{
		os.Getenv("REGISTRY_AUTH_FILE"), below(os.Getenv("XDG_RUNTIME_DIR"), "containers/auth.json"), filepath.Join(configHome(), "containers/auth.json"),
	} {
		if !isFile(file) {
			continue
		}
		f, err := loadFile(file)
		if err != nil {
			return c, err
		}
		if c, known, err := podmans(f, e); known || err != nil {
			return c, err
		}
	}
	return types.AuthConfig{}, nil
}

// podmans looks a repository up as podman does: an entry may be for a path below
// a registry, and the longest counts (containers-auth.json(5)).
func podmans(f *configfile.ConfigFile, e endpoint) (c types.AuthConfig, known bool, err error) {
	for key := e.host + "/" + e.path; ; {
		if c, known = f.AuthConfigs[key]; known {
			return c, true, nil
		}
		i := strings.LastIndexByte(key, '/')
		if i < 0 {
			break
		}
		key = key[:i]
	}
	key := credentialKey(e.host)
	if c, known = f.AuthConfigs[key]; known {
		return c, true, nil
	}
	if f.CredentialsStore == "" && f.CredentialHelpers[key] == "" && f.CredentialHelpers[e.host] == "" {
		return c, false, nil
	}
	if f.CredentialHelpers[key] == "" && f.CredentialHelpers[e.host] != "" {
		key = e.host
	}
	c, err = f.GetAuthConfig(key)
	return c, c.Username+c.IdentityToken != "", err
}

func loadFile(name string) (*configfile.ConfigFile, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := config.LoadFromReader(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// dir is the directory of config.json.
func (a Access) dir() string {
	return cmp.Or(a.ConfigDir, os.Getenv(config.EnvOverrideConfigDir), config.Dir())
}

// below is file in dir, or nothing without a dir.
func below(dir, file string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, file)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}
