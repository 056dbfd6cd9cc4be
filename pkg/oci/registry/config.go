// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/google/go-containerregistry/pkg/name"
)

// Config is the content of registries.conf: the keys of version 2 of the file
// that podman reads which say where a registry is.
type Config struct {
	Registries []Entry `toml:"registry"`
}

// Entry is a [[registry]] table.
type Entry struct {
	Prefix   string   `toml:"prefix"` // of names; Location when empty
	Location string   `toml:"location"`
	Insecure bool     `toml:"insecure"`
	Blocked  bool     `toml:"blocked"`
	Mirrors  []Mirror `toml:"mirror"`
}

// Mirror is a [[registry.mirror]] table: asked before the registry itself.
type Mirror struct {
	Location string `toml:"location"`
	Insecure bool   `toml:"insecure"`
}

// ConfigFile is where the configuration is read from: what
// CORACLE_REGISTRIES_CONF says, else registries.conf in the user's or the
// host's configuration directory.
func ConfigFile() string {
	if f := os.Getenv("CORACLE_REGISTRIES_CONF"); f != "" {
		return f
	}
	own := filepath.Join(configHome(), "coracle", "registries.conf")
	if _, err := os.Stat(own); err == nil {
		return own
	}
	const host = "/etc/coracle/registries.conf"
	if _, err := os.Stat(host); err == nil {
		return host
	}
	return own
}

func configHome() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(os.Getenv("HOME"), ".config")
}

// ReadConfig reads a file; one that is not there is empty.
func ReadConfig(file string) (Config, error) {
	var c Config
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read registries: %w", err)
	}
	if err := toml.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("read registries: %s: %w", file, err)
	}
	for i, e := range c.Registries {
		if e.Prefix == "" && e.Location == "" {
			return c, fmt.Errorf("read registries: %s: registry %d has neither prefix nor location", file, i+1)
		}
	}
	return c, nil
}

// endpoint is one place where a repository is.
type endpoint struct {
	host     string // with port
	path     string // of the repository there
	insecure bool   // it may speak plain HTTP
	named    bool   // the user called it insecure
}

// hostname is where the host is asked: Docker Hub has another name there.
func (e endpoint) hostname() string {
	if e.host == "docker.io" {
		return name.DefaultRegistry
	}
	return e.host
}

// ErrBlocked says that the configuration forbids a registry.
var ErrBlocked = errors.New("registry is blocked by registries.conf")

// endpoints are the places of a repository, in the order in which they are
// asked. The entry with the longest prefix counts.
func (c Config) endpoints(domain, path string, mirrors bool) ([]endpoint, error) {
	name := domain + "/" + path
	var best *Entry
	bestPrefix := ""
	for i := range c.Registries {
		e := &c.Registries[i]
		p := strings.TrimSuffix(e.Prefix, "/")
		if p == "" {
			p = e.Location
		}
		if len(p) > len(bestPrefix) && covers(p, name) {
			best, bestPrefix = e, p
		}
	}
	if best == nil {
		return []endpoint{newEndpoint(name, false)}, nil
	}
	if best.Blocked {
		return nil, fmt.Errorf("%w: %s", ErrBlocked, bestPrefix)
	}
	rest := strings.TrimPrefix(name, bestPrefix)
	if strings.HasPrefix(bestPrefix, "*.") {
		rest = name[strings.IndexByte(name, '/'):]
	}
	var list []endpoint
	if mirrors {
		for _, m := range best.Mirrors {
			list = append(list, newEndpoint(m.Location+rest, m.Insecure))
		}
	}
	location := best.Location
	if location == "" {
		return append(list, newEndpoint(name, best.Insecure)), nil
	}
	return append(list, newEndpoint(location+rest, best.Insecure)), nil
}

// covers reports whether name is prefix, or below it: example.com,
// example.com/team, *.example.com.
func covers(prefix, name string) bool {
	if suffix, ok := strings.CutPrefix(prefix, "*"); ok {
		host, _, _ := strings.Cut(name, "/")
		return strings.HasSuffix(host, suffix)
	}
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

func newEndpoint(name string, insecure bool) endpoint {
	host, path, _ := strings.Cut(name, "/")
	return endpoint{host: host, path: path, insecure: insecure || isLoopback(host), named: insecure}
}

// isLoopback reports whether a host, with or without a port, is this machine:
// Docker lets such a registry be plain HTTP.
func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
