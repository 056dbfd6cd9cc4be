// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
)

// Rename gives a container another name, by which the others on its networks know
// it from then on, too.
func Rename(ctx context.Context, s *container.Store, c *container.Container, name string) error {
	if err := s.Rename(ctx, c, name); err != nil || !c.State.IsRunning() || c.Net.OnNetworkOf() != "" {
		return err
	}
	if _, err := call(ctx, c, control.Request{Op: control.OpRename}); err != nil && !errors.Is(err, container.ErrNotRunning) {
		return fmt.Errorf("the container is renamed, and known by its old name on its networks until it is restarted: %w", err)
	}
	return nil
}
