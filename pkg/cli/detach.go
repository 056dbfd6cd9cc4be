// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"coracle/pkg/cli/command"

	"github.com/urfave/cli/v2"
)

// detachKeys are those of the flag, or of the user's configuration.
func detachKeys(e *command.Env, c *cli.Context) ([]byte, error) {
	if s := c.String("detach-keys"); s != "" {
		return parseDetachKeys(s)
	}
	if s := command.Config(e, "detachKeys"); s != "" {
		return parseDetachKeys(s)
	}
	return parseDetachKeys("ctrl-p,ctrl-q")
}
