// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// clientConfig is what commands other than login read of Docker's client
// configuration.
type clientConfig struct {
	DetachKeys string `json:"detachKeys"`
	PsFormat   string `json:"psFormat"`
}

// config reads the configuration; one that is missing or damaged says nothing.
func (e *env) config() clientConfig {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return clientConfig{}
		}
		dir = filepath.Join(home, ".docker")
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return clientConfig{}
	}
	var c clientConfig
	if json.Unmarshal(data, &c) != nil {
		return clientConfig{}
	}
	return c
}
