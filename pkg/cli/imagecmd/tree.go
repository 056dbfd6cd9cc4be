// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"fmt"
	"slices"
	"text/tabwriter"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/oci/platform"
	"coracle/pkg/overlay"
)

// imageTree is `images --tree`: below each image its platforms, of which there
// is one here, and a U for those that a container uses.
func imageTree(e *command.Env, c *cli.Context, images []overlay.Image, f docker.Filters) error {
	if c.Bool("quiet") || c.String("format") != "" || c.Bool("digests") || c.Bool("no-trunc") {
		for _, name := range []string{"quiet", "no-trunc", "digests", "format"} {
			if c.IsSet(name) {
				return command.Errorf("--%s is not yet supported with --tree", name)
			}
		}
	}
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	containers, bad := cs.List()
	if bad != nil {
		command.Tell(e, bad)
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 1, 3, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tID\tDISK USAGE\tCONTENT SIZE\tEXTRA")
	for _, img := range images {
		names := familiarNames(img, f)
		if len(img.Names) == 0 && (c.Bool("all") || len(f["dangling"]) > 0) && len(f["reference"]) == 0 {
			names = []string{"<untagged>"}
		}
		used := ""
		for _, ctr := range containers {
			if ctr.UsesImage(img.ID) {
				used = "U"
			}
		}
		for _, n := range names {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n└─ %s\t%s\t%s\t%s\t%s\n", n, img.ID[:12], command.Size(img.Size), command.Size(img.Size), used,
				platformOf(img), img.ID[:12], command.Size(img.Size), command.Size(img.Size), used)
		}
	}
	return w.Flush()
}

// familiarNames are the names of an image that the filters let through.
func familiarNames(img overlay.Image, f docker.Filters) []string {
	s := docker.ImageSummary(img)
	s.RepoDigests = nil
	f.KeepNames(&s)
	return s.RepoTags
}

func platformOf(img overlay.Image) string {
	return formatter.Clean(platform.String(ocispec.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}))
}

// givenPlatform is --platform as a list.
func givenPlatform(c *cli.Context) []string {
	if p := c.String("platform"); p != "" {
		return []string{p}
	}
	return nil
}

// PlatformCheck refuses a --platform that images are not for.
func PlatformCheck(e *command.Env, c *cli.Context, args ...string) error {
	s, err := command.Images(e)
	if err != nil {
		return err
	}
	for _, a := range slices.Compact(args) {
		if asked := givenPlatform(c); len(asked) > 0 {
			if _, err := s.Inspect(c.Context, a, asked...); err != nil {
				return err
			}
		}
	}
	return nil
}
