// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"coracle/pkg/cli/progress"
	"coracle/pkg/container"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// resolveForRun finds the image and returns with the image lock held.
func resolveForRun(ctx context.Context, e *env, d state.Dirs, arg, platform, pull string, quiet bool) (*state.Lock, overlay.Details, error) {
	switch image.Policy(pull) {
	case image.PullAlways, image.PullMissing, image.PullNever, "":
	default:
		return nil, overlay.Details{}, cliErrorf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", pull)
	}
	s := image.NewStore(d, container.ImageUsers, imagesOutside(e, quiet))
	r := image.HoldRequest{Name: arg, Platform: platform, Pull: image.Policy(pull), Access: access(e), Quiet: quiet}
	return s.Hold(ctx, r, progress.NewTransfer(e.stderr).Event)
}
