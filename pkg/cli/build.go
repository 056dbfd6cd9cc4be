// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/docker/go-units"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/progress"
	"coracle/pkg/dockerfile"
	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/slirp"
)

func buildCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "Build an image from a Dockerfile", ArgsUsage: "PATH | -",
		Flags: []cli.Flag{
			values("add-host", nil, "Add a custom host-to-IP mapping (host:ip)"),
			values("build-arg", nil, "Set build-time variables"),
			text("file", short("f"), "Name of the Dockerfile (default: \"PATH/Dockerfile\")"),
			flag("force-rm", nil, "Accepted for scripts: nothing is left behind"),
			text("iidfile", nil, "Write the image ID to a file"),
			values("label", nil, "Set metadata for an image"),
			text("network", nil, "Set the networking mode for the RUN instructions: default, none or host"),
			flag("no-cache", nil, "Do not use cache when building the image"),
			text("platform", nil, "Set target platform for build"),
			&cli.StringFlag{Name: "progress", Usage: "Set type of progress output (auto, plain, tty, quiet)", EnvVars: []string{"BUILDKIT_PROGRESS"}},
			flag("pull", nil, "Always attempt to pull all referenced images"),
			flag("quiet", short("q"), "Suppress the build output and print image ID on success"),
			&cli.BoolFlag{Name: "rm", Usage: "Accepted for scripts: nothing is left behind", Value: true},
			values("secret", nil, "Secret to expose to the build (id=mysecret[,src=/local/secret])"),
			text("shm-size", nil, "Shared memory size for build containers"),
			values("tag", short("t"), "Name and optionally a tag (format: \"name:tag\")"),
			text("target", nil, "Set the target build stage to build"),
			flag("load", nil, "Accepted for scripts: images are always in the store"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, 1); err != nil {
				return err
			}
			o, err := e.buildOptions(c)
			if err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error { return e.runBuild(c, st, o) })
		},
	}
}

func (e *env) buildOptions(c *cli.Context) (dockerfile.Options, error) {
	o := dockerfile.Options{
		Target: c.String("target"), Platform: c.String("platform"), NoCache: c.Bool("no-cache"), Pull: c.Bool("pull"),
		AddHosts: c.StringSlice("add-host"), BuildArgs: map[string]string{}, Labels: map[string]string{},
	}
	for _, t := range c.StringSlice("tag") {
		ref, err := oci.ParseRef(t)
		if err != nil || ref.Digest() != "" {
			return o, cliErrorf("invalid argument %q for \"-t, --tag\" flag: %v", t, oci.ErrInvalidReference)
		}
		o.Names = append(o.Names, ref.Name())
	}
	for _, a := range c.StringSlice("build-arg") {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			if v, ok = os.LookupEnv(k); !ok {
				continue
			}
		}
		o.BuildArgs[k] = v
	}
	for _, l := range c.StringSlice("label") {
		k, v, _ := strings.Cut(l, "=")
		o.Labels[k] = v
	}
	if _, err := slirp.ParseAddHosts(o.AddHosts); err != nil {
		return o, err
	}
	var err error
	if o.Secrets, err = parseSecrets(c.StringSlice("secret")); err != nil {
		return o, err
	}
	if s := c.String("shm-size"); s != "" {
		if o.ShmSize, err = units.RAMInBytes(s); err != nil {
			return o, cliErrorf("invalid argument %q for \"--shm-size\" flag: %v", s, err)
		}
	}
	switch o.Network = c.String("network"); o.Network {
	case "default", "bridge":
		o.Network = ""
	case "", "none", "host":
	default:
		return o, fmt.Errorf("network mode %q not supported by a build: use default, none or host", o.Network)
	}
	return o, e.buildSources(c, &o)
}

// buildSources finds the context and the Dockerfile.
func (e *env) buildSources(c *cli.Context, o *dockerfile.Options) error {
	arg, file := c.Args().First(), c.String("file")
	if arg == "-" {
		if file == "-" {
			return cliErrorf("invalid argument: can't use stdin for both build context and dockerfile")
		}
		o.Source, o.Dockerfile = e.stdin, "Dockerfile"
		return nil
	}
	if strings.Contains(arg, "://") || strings.HasPrefix(arg, "git@") {
		return cliErrorf("unable to prepare context: remote contexts are not supported: clone %q and build the directory", arg)
	}
	info, err := os.Stat(arg)
	if err != nil {
		return cliErrorf("unable to prepare context: path %q not found", arg)
	}
	if !info.IsDir() {
		return cliErrorf("unable to prepare context: path %q is not a directory", arg)
	}
	if o.ContextDir, err = filepath.Abs(arg); err != nil {
		return err
	}
	if o.ContextDir, err = filepath.EvalSymlinks(o.ContextDir); err != nil {
		return err
	}
	switch file {
	case "-":
		o.Source, o.Dockerfile = e.stdin, "Dockerfile"
	case "":
		o.Dockerfile = filepath.Join(o.ContextDir, "Dockerfile")
		if _, err := os.Stat(o.Dockerfile); errors.Is(err, os.ErrNotExist) {
			if _, err := os.Stat(filepath.Join(o.ContextDir, "dockerfile")); err == nil {
				o.Dockerfile = filepath.Join(o.ContextDir, "dockerfile")
			}
		}
	default:
		o.Dockerfile, err = filepath.Abs(file)
	}
	return err
}

// maxSecret is BuildKit's limit.
const maxSecret = 500 << 10

// parseSecrets reads id=ID,src=FILE and id=ID,env=NAME; without either, ID is
// the name of a variable or a file.
func parseSecrets(list []string) (map[string][]byte, error) {
	secrets := map[string][]byte{}
	for _, v := range list {
		f := map[string]string{}
		for _, field := range strings.Split(v, ",") {
			key, val, ok := strings.Cut(field, "=")
			if !ok {
				return nil, cliErrorf("invalid field '%s' must be a key=value pair", field)
			}
			switch key = strings.ToLower(key); key {
			case "source":
				key = "src"
			case "type", "id", "src", "env":
			default:
				return nil, cliErrorf("unexpected key '%s' in '%s'", key, field)
			}
			f[key] = val
		}
		if f["id"] == "" {
			return nil, cliErrorf("missing id in secret %q", v)
		}
		value, err := secretValue(f)
		if err != nil {
			return nil, err
		}
		secrets[f["id"]] = value
	}
	return secrets, nil
}

func secretValue(f map[string]string) ([]byte, error) {
	kind, env, src := f["type"], f["env"], f["src"]
	if kind != "" && kind != "file" && kind != "env" {
		return nil, cliErrorf("unsupported secret type %q", kind)
	}
	if kind == "env" && env == "" {
		env, src = src, ""
	}
	if env == "" && src == "" && kind != "file" {
		if _, ok := os.LookupEnv(f["id"]); ok {
			env = f["id"]
		}
	}
	if env == "" && src == "" {
		src = f["id"]
	}
	if src == "" {
		return []byte(os.Getenv(env)), nil
	}
	info, err := os.Stat(src)
	if err != nil {
		return nil, cliErrorf("failed to stat %s: %v", src, errors.Unwrap(err))
	}
	if info.Size() > maxSecret || !info.Mode().IsRegular() {
		return nil, cliErrorf("secret %s: not a regular file of at most 500 KB", src)
	}
	return os.ReadFile(src)
}

func (e *env) runBuild(c *cli.Context, st *overlay.Store, o dockerfile.Options) error {
	mode := c.String("progress")
	if c.Bool("quiet") {
		mode = "quiet"
	}
	show, err := progress.NewBuild(e.stderr, mode)
	if err != nil {
		return &cliError{err.Error()}
	}
	res, err := dockerfile.Build(c.Context, st, &baseImages{e: e, st: st}, &buildRunner{st: st}, o, show.Event)
	show.Close()
	if err != nil {
		e.printBuildError(err, show)
		return exit(1)
	}
	for _, w := range res.Warnings {
		fmt.Fprintln(e.stderr, "[Warning] "+w)
	}
	e.event(events.Image, "build", "sha256:"+res.Image.ID, "sha256:"+res.Image.ID)
	e.tagged(res.Image.ID, o.Names)
	if file := c.String("iidfile"); file != "" {
		if err := os.WriteFile(file, []byte("sha256:"+res.Image.ID), 0o644); err != nil {
			return fmt.Errorf("write image ID file: %w", err)
		}
	}
	if c.Bool("quiet") {
		fmt.Fprintln(e.stdout, "sha256:"+res.Image.ID)
	}
	return nil
}

// printBuildError prints a failure as BuildKit does: the step with the end of
// its output, the lines of the Dockerfile, and the cause.
func (e *env) printBuildError(err error, show progress.Build) {
	var be *dockerfile.Error
	if errors.As(err, &be) {
		if be.Step > 0 {
			fmt.Fprintf(e.stderr, "------\n > %s:\n", be.StepName)
			for _, l := range show.Tail(be.Step) {
				fmt.Fprintln(e.stderr, l)
			}
			fmt.Fprintln(e.stderr, "------")
		}
		fmt.Fprint(e.stderr, be.Excerpt)
	}
	fmt.Fprintf(e.stderr, "ERROR: failed to build: failed to solve: %v\n", err)
	if h := hint(err); h != "" {
		fmt.Fprintln(e.stderr, "hint: "+h)
	}
}

// baseImages finds base images for a build.
type baseImages struct {
	st *overlay.Store
	mu sync.Mutex // for e
	e  *env
}

func (b *baseImages) Resolve(ctx context.Context, name, platform string, pull bool) (overlay.Details, error) {
	ref, err := oci.ParseRef(name)
	if err != nil {
		return overlay.Details{}, err
	}
	if !pull {
		b.mu.Lock()
		img, _, err := b.e.image(name)
		b.mu.Unlock()
		var missing *oci.NotFoundError
		if err == nil {
			det, err := overlay.LoadImage(b.st.Dirs(), img.ID)
			if err != nil || platform == "" || dockerfile.ForPlatform(det, platform) {
				return det, err
			}
		} else if !errors.As(err, &missing) {
			return overlay.Details{}, err
		}
	}
	b.mu.Lock()
	reg, err := b.e.registry()
	b.mu.Unlock()
	if err != nil {
		return overlay.Details{}, err
	}
	got, err := oci.Pull(ctx, b.st, reg, ref, oci.PullOptions{Platform: platform})
	if err != nil {
		return overlay.Details{}, err
	}
	return overlay.LoadImage(b.st.Dirs(), got.Image.ID)
}

// applyChanges carries out Dockerfile instructions on a configuration.
func applyChanges(conf *ocispec.ImageConfig, changes []string) error {
	if len(changes) == 0 {
		return nil
	}
	var img dockerfile.Image
	img.Config.ImageConfig = *conf
	if err := dockerfile.Configure(&img, changes); err != nil {
		return err
	}
	*conf = img.Config.ImageConfig
	return nil
}
