// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/streams"
)

// detachKeys are those of the flag, or of the user's configuration.
func detachKeys(e *command.Env, c *cli.Context) ([]byte, error) {
	if s := c.String("detach-keys"); s != "" {
		return streams.ParseDetachKeys(s)
	}
	if s := command.Config(e, "detachKeys"); s != "" {
		return streams.ParseDetachKeys(s)
	}
	return streams.ParseDetachKeys("ctrl-p,ctrl-q")
}
