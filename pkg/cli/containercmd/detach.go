// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"cmp"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/control"
)

// detachKeys are those of the flag, or of the user's configuration.
func detachKeys(e *command.Env, c *cli.Context) ([]byte, error) {
	return parseKeys(cmp.Or(c.String("detach-keys"), command.Config(e, "detachKeys"), control.DetachKeys))
}

// configuredKeys are those of the user's configuration, or Docker's.
func configuredKeys(e *command.Env) ([]byte, error) {
	return parseKeys(cmp.Or(command.Config(e, "detachKeys"), control.DetachKeys))
}

func parseKeys(text string) ([]byte, error) {
	keys, err := control.ParseDetachKeys(text)
	if err != nil {
		return nil, command.Errorf("%v", err)
	}
	return keys, nil
}
