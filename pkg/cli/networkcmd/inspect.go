// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"context"

	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
	"coracle/pkg/host"
)

// Inspect is the answer about the network that arg means, with who is on it.
func Inspect(ctx context.Context, e *command.Env, arg string) (*docker.Network, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	return host.Network(ctx, d, arg)
}
