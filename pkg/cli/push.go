// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/progress"
	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

func pushCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "Upload an image to a registry", ArgsUsage: "NAME[:TAG]",
		Flags: []cli.Flag{
			flags.Bool("all-tags", flags.Short("a"), "Push all tags of an image to the repository"),
			flags.Text("platform", nil, "Push the image of this platform only: an image here has one"),
			flags.Bool("quiet", flags.Short("q"), "Suppress verbose output"),
			&cli.BoolFlag{Name: "disable-content-trust", Usage: "Accepted for scripts", Value: true, Hidden: true},
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 1); err != nil {
				return err
			}
			ref, err := oci.ParseRef(c.Args().First())
			if err != nil {
				return err
			}
			if ref.Digest() != "" {
				return cliErrorf("cannot push a digest reference")
			}
			if err := platformCheck(e, c, c.Args().First()); err != nil {
				return err
			}
			return transferInside(e, c, func(st *overlay.Store) error { return runPush(e, c, st, ref) })
		},
	}
}

func runPush(e *env, c *cli.Context, st *overlay.Store, ref oci.Ref) error {
	tagged, all := hasTag(c.Args().First(), ref), c.Bool("all-tags")
	if all && tagged {
		return cliErrorf("tag can't be used with --all-tags/-a")
	}
	reg, err := registry.New(access(e))
	if err != nil {
		return err
	}
	quiet := c.Bool("quiet")
	if !tagged && !all && !quiet {
		fmt.Fprintln(e.stdout, "Using default tag: latest")
	}
	refs, err := pushed(e, ref, all, tagged)
	if err != nil {
		return err
	}
	if !quiet {
		fmt.Fprintf(e.stdout, "The push refers to repository [%s]\n", ref.Repository())
	}
	for _, r := range refs {
		if err := pushOne(e, c, st, reg, r, quiet); err != nil {
			return err
		}
	}
	return nil
}

// pushed are the names that a push sends: one, or all tags of a repository.
func pushed(e *env, ref oci.Ref, all, tagged bool) ([]oci.Ref, error) {
	ix, err := e.index()
	if err != nil {
		return nil, err
	}
	var refs []oci.Ref
	for _, img := range ix.Images {
		for _, n := range img.Names {
			if r, err := oci.ParseRef(n); err == nil && r.Repository() == ref.Repository() && (all || r.Tag() == ref.Tag()) {
				refs = append(refs, r)
			}
		}
	}
	switch {
	case len(refs) > 0:
		return refs, nil
	case tagged:
		return nil, fmt.Errorf("tag does not exist: %s", ref.Familiar())
	}
	return nil, fmt.Errorf("An image does not exist locally with the tag: %s", ref.FamiliarRepository())
}

func pushOne(e *env, c *cli.Context, st *overlay.Store, reg *registry.Client, ref oci.Ref, quiet bool) error {
	img, _, err := e.image(ref.Name())
	if err != nil {
		return err
	}
	var draw func(oci.Event)
	if !quiet {
		draw = progress.NewTransfer(e.stdout.File).Event
	}
	got, err := oci.Push(c.Context, st, reg, ref, img, draw)
	if err != nil {
		return err
	}
	event(e, events.Image, "push", ref.Familiar(), ref.Familiar())
	if quiet {
		fmt.Fprintln(e.stdout, ref.Name())
		return nil
	}
	fmt.Fprintf(e.stdout, "%s: digest: %s size: %d\n", ref.Tag(), got.Digest, got.Size)
	return nil
}
