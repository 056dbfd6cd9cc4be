// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func tagCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "tag", Usage: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", ArgsUsage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 2, 2); err != nil {
				return err
			}
			ref, err := oci.ParseRef(c.Args().Get(1))
			if err != nil {
				return cliErrorf("error parsing reference: %q is not a valid repository/tag: %v", c.Args().Get(1), err)
			}
			if ref.Digest() != "" {
				return errors.New("refusing to create a tag with a digest reference")
			}
			img, _, err := e.image(c.Args().First())
			if err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error {
				if err := st.Tag(c.Context, img.ID, ref.Name()); err != nil {
					return err
				}
				event(e, events.Image, "tag", "sha256:"+img.ID, ref.Familiar())
				return nil
			})
		},
	}
}
