// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// imageTree is `images --tree`: below each image its platforms, of which there
// is one here, and a U for those that a container uses.
func imageTree(e *env, c *cli.Context, images []overlay.Image, f docker.Filters) error {
	if c.Bool("quiet") || c.String("format") != "" || c.Bool("digests") || c.Bool("no-trunc") {
		for _, name := range []string{"quiet", "no-trunc", "digests", "format"} {
			if c.IsSet(name) {
				return cliErrorf("--%s is not yet supported with --tree", name)
			}
		}
	}
	cs, err := e.containers()
	if err != nil {
		return err
	}
	containers, bad := cs.List()
	if bad != nil {
		tellError(e, bad)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 1, 3, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tID\tDISK USAGE\tCONTENT SIZE\tEXTRA")
	for _, img := range images {
		names := familiarNames(img, f)
		if len(img.Names) == 0 && (c.Bool("all") || len(f["dangling"]) > 0) && len(f["reference"]) == 0 {
			names = []string{"<untagged>"}
		}
		used := ""
		for _, ctr := range containers {
			if usesImage(ctr, img.ID) {
				used = "U"
			}
		}
		for _, n := range names {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n└─ %s\t%s\t%s\t%s\t%s\n", n, img.ID[:12], size(img.Size), size(img.Size), used,
				platformOf(img), img.ID[:12], size(img.Size), size(img.Size), used)
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
	p := img.OS + "/" + img.Architecture
	if img.Variant != "" {
		p += "/" + img.Variant
	}
	return formatter.Clean(p)
}

// givenPlatform is --platform as a list.
func givenPlatform(c *cli.Context) []string {
	if p := c.String("platform"); p != "" {
		return []string{p}
	}
	return nil
}

// checkPlatforms refuses platforms that the image is not for.
func checkPlatforms(arg string, asked []string, img overlay.Image) error {
	for _, a := range asked {
		p, err := oci.ParsePlatform(a)
		if err != nil {
			return err
		}
		if p.OS != img.OS || p.Architecture != img.Architecture {
			return fmt.Errorf("image with reference %s was found but does not provide the specified platform (%s)", arg, a)
		}
	}
	return nil
}

// platformCheck is checkPlatforms for an image that is not at hand.
func platformCheck(e *env, c *cli.Context, args ...string) error {
	if asked := givenPlatform(c); len(asked) > 0 {
		for _, a := range slices.Compact(args) {
			img, _, err := e.image(a)
			if err != nil {
				return err
			}
			if err := checkPlatforms(a, asked, img); err != nil {
				return err
			}
		}
	}
	return nil
}
