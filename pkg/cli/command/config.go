// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
)

// Config reads a text, such as psFormat or detachKeys, from Docker's
// config.json. What cannot be read says nothing: these are matters of taste.
func Config(e *Env, key string) string {
	dir := cmp.Or(e.Config, os.Getenv("DOCKER_CONFIG"))
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".docker")
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return ""
	}
	var all map[string]json.RawMessage
	var value string
	if json.Unmarshal(data, &all) == nil {
		_ = json.Unmarshal(all[key], &value)
	}
	return value
}
