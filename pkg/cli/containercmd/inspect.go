// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/look"
	"coracle/pkg/docker"
)

// Inspect is the answer about the container that arg means, with the sizes of its
// layers where they are asked for.
func Inspect(ctx context.Context, e *command.Env, arg string, size bool) (*docker.Container, error) {
	cs, c, err := e.Container(arg)
	if err != nil {
		return nil, err
	}
	return look.Inspect(ctx, cs, c, size)
}
