// SPDX-License-Identifier: Apache-2.0

package shared

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Variable names stores with colons between them. Where it is set, empty too, no
// file is asked.
const Variable = "CORACLE_SHARED_STORES"

// Places are the directories that the user, or the host, has named. An error is
// about a file that cannot be understood; the others count.
func Places(home string) ([]string, error) {
	if v, ok := os.LookupEnv(Variable); ok {
		return absolute(filepath.SplitList(v)), nil
	}
	var list []string
	var first error
	for _, file := range files(home) {
		dirs, err := fromFile(file)
		if err != nil && first == nil {
			first = err
		}
		list = append(list, dirs...)
	}
	return absolute(list), first
}

// Settle writes the places down in this process's environment: what the files are
// called may change there.
func Settle(home string) error {
	list, _ := Places(home)
	if len(list) == 0 {
		return nil
	}
	return os.Setenv(Variable, strings.Join(list, string(filepath.ListSeparator)))
}

// files are those that are asked: ours, and the one that podman would read.
func files(home string) []string {
	own := []string{"/etc/coracle/storage.conf"}
	if c := os.Getenv("CONTAINERS_STORAGE_CONF"); filepath.IsAbs(c) {
		return append(own, c)
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(home, ".config")
	}
	for _, f := range []string{filepath.Join(config, "containers/storage.conf"), "/etc/containers/storage.conf", "/usr/share/containers/storage.conf"} {
		if _, err := os.Stat(f); err == nil && filepath.IsAbs(f) {
			return append(own, f)
		}
	}
	return own
}

// fromFile reads one key of a file of containers-storage.conf(5).
func fromFile(name string) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(data, []byte("additionalimagestores")) {
		return nil, nil // a file that is not there says nothing
	}
	var c struct {
		Storage struct {
			Options struct {
				Additional []string `toml:"additionalimagestores"`
			} `toml:"options"`
		} `toml:"storage"`
	}
	if err := toml.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return c.Storage.Options.Additional, nil
}

// absolute are the paths that begin with a slash, once each.
func absolute(list []string) []string {
	var out []string
	for _, d := range list {
		if d = filepath.Clean(d); filepath.IsAbs(d) && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}
