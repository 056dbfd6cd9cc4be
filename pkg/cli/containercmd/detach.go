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
	asked := c.String("detach-keys")
	if asked == "" {
		asked = command.Config(e, "detachKeys")
	}
	keys, err := control.ParseDetachKeys(cmp.Or(asked, control.DetachKeys))
	if err != nil {
		return nil, command.Errorf("%v", err)
	}
	return keys, nil
}
