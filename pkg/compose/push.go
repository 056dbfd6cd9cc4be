// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"fmt"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// PushChoices are what push says.
type PushChoices struct {
	IgnoreFailures bool
	Quiet          bool
}

// PushAll pushes what services have built, under all names that it has. Images that
// were only pulled are somebody else's, and are skipped.
func PushAll(ctx context.Context, e *Engine, p *types.Project, c PushChoices) error {
	var names []string
	for _, name := range p.ServiceNames() {
		s := p.Services[name]
		if s.Build == nil || s.Image == "" {
			e.tell("Service", name, "Skipped")
			continue
		}
		names = append(append(names, s.Image), s.Build.Tags...)
	}
	progress := e.Pulled
	if progress == nil || c.Quiet {
		progress = func(oci.Event) {}
	}
	return each(ctx, names, func(ctx context.Context, name string) error {
		e.tell("Image", name, "Pushing")
		_, err := e.images().Push(ctx, image.PushRequest{Name: name, Access: e.Access}, progress)
		switch {
		case err == nil:
			e.tell("Image", name, "Pushed")
		case c.IgnoreFailures && ctx.Err() == nil:
			e.tell("Image", name, fmt.Sprintf("Warning %v", err))
			return nil
		default:
			e.tell("Image", name, "Error")
		}
		return err
	})
}
