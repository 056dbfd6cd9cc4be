// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/progress"
	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

func pullCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "pull", Usage: "Download an image from a registry", ArgsUsage: "NAME[:TAG|@DIGEST]",
		Flags: []cli.Flag{
			flags.Bool("all-tags", flags.Short("a"), "Download all tagged images in the repository"),
			flags.Platform("Set platform if the registry has images for several"),
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
			return transferInside(e, c, func(st *overlay.Store) error { return runPull(e, c, st, ref) })
		},
	}
}

// access is who asks registries: this program, with the user's credentials.
func access(e *env) registry.Access {
	return registry.Access{UserAgent: "coracle/" + Version, ConfigDir: e.config}
}

func runPull(e *env, c *cli.Context, st *overlay.Store, ref oci.Ref) error {
	reg, err := registry.New(access(e))
	if err != nil {
		return err
	}
	p := puller{e: e, st: st, reg: reg, platform: c.String("platform"), quiet: c.Bool("quiet"), out: e.stdout.File}
	if !c.Bool("all-tags") {
		if ref.Digest() == "" && !hasTag(c.Args().First(), ref) && !p.quiet {
			fmt.Fprintln(e.stdout, "Using default tag: latest")
		}
		return p.pull(c.Context, ref)
	}
	if hasTag(c.Args().First(), ref) || ref.Digest() != "" {
		return cliErrorf("tag can't be used with --all-tags/-a")
	}
	repo, err := reg.Repository(ref.Domain(), ref.Path(), registry.Pull)
	if err != nil {
		return err
	}
	tags, err := repo.Tags(c.Context)
	if err != nil {
		return err
	}
	for _, t := range tags {
		if err := p.pull(c.Context, ref.WithTag(t)); err != nil {
			return err
		}
	}
	return nil
}

// hasTag reports whether the user wrote the tag that ref has.
func hasTag(arg string, ref oci.Ref) bool {
	return ref.Tag() != "" && len(arg) > len(ref.Tag()) && arg[len(arg)-len(ref.Tag())-1:] == ":"+ref.Tag()
}

// puller pulls images and says so.
type puller struct {
	e        *env
	st       *overlay.Store
	reg      *registry.Client
	platform string
	quiet    bool
	short    bool // for run: the canonical name is not printed
	out      *os.File
}

func (p *puller) pull(ctx context.Context, ref oci.Ref) error {
	o := oci.PullOptions{Platform: p.platform}
	if !p.quiet {
		o.Events = progress.NewTransfer(p.out).Event
	}
	got, err := oci.Pull(ctx, p.st, p.reg, ref, o)
	if err != nil {
		return err
	}
	event(p.e, events.Image, "pull", ref.Familiar(), ref.Familiar())
	if !p.quiet {
		fmt.Fprintf(p.out, "Digest: %s\n", got.Digest)
		status := "Downloaded newer image for"
		if got.UpToDate {
			status = "Image is up to date for"
		}
		fmt.Fprintf(p.out, "Status: %s %s\n", status, ref.Familiar())
	}
	if !p.short {
		fmt.Fprintln(p.out, ref.Name())
	}
	return nil
}

// pullForRun pulls an image that a command needs; everything it says goes to
// stderr. Outside of the user namespace it calls ourselves in there.
func pullForRun(e *env, arg, platform string, quiet bool) error {
	args := []string{"__pull"}
	if quiet {
		args = append(args, "--quiet")
	}
	if platform != "" {
		args = append(args, "--platform="+platform)
	}
	return saidInside(e.enter(e.stderr, append(args, arg)...))
}

// saidInside gives a failure of ourselves in the user namespace run's code. What
// failed in there has been said in there; that we did not come there has not.
func saidInside(err error) error {
	var code *exitError
	if errors.As(err, &code) {
		return exit(125)
	}
	return err
}

// pullForRunCommand is what pullForRun calls.
func pullForRunCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "__pull", Hidden: true,
		Flags: []cli.Flag{flags.Bool("quiet", nil, ""), flags.Text("platform", nil, "")},
		Action: func(c *cli.Context) error {
			ref, err := oci.ParseRef(c.Args().First())
			if err != nil {
				return err
			}
			return transferInside(e, c, func(st *overlay.Store) error {
				reg, err := registry.New(access(e))
				if err != nil {
					return err
				}
				p := puller{e: e, st: st, reg: reg, platform: c.String("platform"), quiet: c.Bool("quiet"), short: true, out: e.stderr}
				return p.pull(c.Context, ref)
			})
		},
	}
}
