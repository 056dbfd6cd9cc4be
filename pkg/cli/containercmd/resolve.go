// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/progress"
	"coracle/pkg/container"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// resolveForRun finds the image and returns with the image lock held.
func resolveForRun(ctx context.Context, e *command.Env, d state.Dirs, r image.HoldRequest) (*state.Lock, overlay.Details, error) {
	switch r.Pull {
	case image.PullAlways, image.PullMissing, image.PullNever, "":
	default:
		return nil, overlay.Details{}, command.Errorf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", r.Pull)
	}
	s := image.NewStore(d, container.ImageUsers)
	r.Access = command.Access(e)
	ctx, stop := command.UntilSignal(ctx) // a pull tidies up
	defer stop()
	return s.Hold(ctx, r, progress.NewTransfer(e.Stderr).Event)
}
