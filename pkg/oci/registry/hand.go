// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
)

// Hand is a config.json with the credentials that the user has, for somebody who may do
// what the user does: as for docker run --use-api-socket those of $DOCKER_AUTH_CONFIG, or
// else those of config.json and of the helpers that it names. It is nil without any.
func (a Access) Hand() ([]byte, error) {
	var from configfile.ConfigFile
	if text := os.Getenv(authConfig); text != "" {
		f, err := config.LoadFromReader(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", authConfig, err)
		}
		from.AuthConfigs = f.AuthConfigs
	}
	if len(from.AuthConfigs) == 0 && isFile(filepath.Join(a.dir(), config.ConfigFileName)) {
		f, err := config.Load(a.dir())
		if err != nil {
			return nil, err
		}
		if from.AuthConfigs, err = f.GetAllCredentials(); err != nil {
			return nil, err
		}
	}
	if len(from.AuthConfigs) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	err := from.SaveToWriter(&b)
	return b.Bytes(), err
}
