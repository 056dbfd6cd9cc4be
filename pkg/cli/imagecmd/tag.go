// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// Tag is the command tag: create a tag TARGET_IMAGE that refers to SOURCE_IMAGE.
func Tag(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "tag", Usage: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", ArgsUsage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		Action: command.Takes(e, 2, 2, func(e *command.Env, c *cli.Context) error {
			ref, err := oci.ParseRef(c.Args().Get(1))
			if err != nil {
				return command.Errorf("error parsing reference: %q is not a valid repository/tag: %v", c.Args().Get(1), err)
			}
			if ref.Digest() != "" {
				return errors.New("refusing to create a tag with a digest reference")
			}
			r := image.TagRequest{Image: c.Args().First(), Name: c.Args().Get(1)}
			return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error { return s.Tag(ctx, r) })
		}),
	}
}
