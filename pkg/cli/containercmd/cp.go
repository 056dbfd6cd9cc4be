// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cancel"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/archive"
	"coracle/pkg/container/transfer"
	"coracle/pkg/oci"
)

// Cp is the command cp: copy files/folders between a container and the local filesystem.
func Cp(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "cp", Usage: "Copy files/folders between a container and the local filesystem", ArgsUsage: "CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
		Flags: []cli.Flag{
			flags.Bool("archive", flags.Short("a"), "Archive mode (copy all uid/gid information)"),
			flags.Bool("follow-link", flags.Short("L"), "Always follow symbol link in SRC_PATH"),
			flags.Bool("quiet", flags.Short("q"), "Suppress progress output during copy"),
		},
		Action: command.Takes(e, 2, 2, runCopy),
	}
}

// SplitCopy tells a path in a container from one here: a path that begins with
// a slash or a dot has no container before its colon.
func SplitCopy(arg string) (ctr, name string) {
	if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return "", arg
	}
	ctr, name, ok := strings.Cut(arg, ":")
	if !ok {
		return "", arg
	}
	return ctr, name
}

func runCopy(e *command.Env, c *cli.Context) error {
	fromCtr, src := SplitCopy(c.Args().First())
	toCtr, dst := SplitCopy(c.Args().Get(1))
	switch {
	case fromCtr != "" && toCtr != "":
		return command.Errorf("copying between containers is not supported")
	case fromCtr == "" && toCtr == "":
		return command.Errorf("must specify at least one container source")
	case src == "":
		return command.Errorf("source can not be empty")
	case dst == "":
		return command.Errorf("destination can not be empty")
	}
	cs, ctr, err := e.Container(fromCtr + toCtr)
	if err != nil {
		return err
	}
	q := Copy{Name: fromCtr + toCtr, Src: src, Dst: dst, Out: fromCtr != "", Follow: c.Bool("follow-link"), Owners: c.Bool("archive")}
	n, err := q.Do(c.Context, e, cs, ctr)
	if err != nil {
		return err
	}
	if isLoud(e, c) && src != "-" && dst != "-" {
		said := q.Name + ":" + dst
		if q.Out {
			said = dst
		}
		fmt.Fprintf(e.Stderr, "Successfully copied %s to %s\n", command.Size(n), said)
	}
	return nil
}

// Copy is a copy between a container and here.
type Copy struct {
	Name     string // of the container, as it was typed
	Src, Dst string // paths; -: an archive on a stream of this one
	Out      bool   // Src is in the container, and not Dst
	Follow   bool   // a symbolic link at the end of Src
	Owners   bool   // files keep theirs in the container
}

// Do copies, tells what was left out, and returns how many bytes were copied.
func (q Copy) Do(ctx context.Context, e *command.Env, cs *container.Store, ctr *container.Container) (int64, error) {
	k := &copier{e: e, cs: cs, ctr: ctr, name: q.Name, follow: q.Follow, owners: q.Owners}
	var err error
	if k.host, err = os.Open("/"); err != nil {
		return 0, err
	}
	defer k.host.Close()
	if q.Out {
		err = k.out(ctx, q.Src, q.Dst)
	} else {
		err = k.in(ctx, q.Src, q.Dst)
	}
	if err != nil {
		return 0, k.explain(err)
	}
	k.sayLeft()
	return k.copied.n, nil
}

// isLoud reports whether to tell of the success: as with Docker at a terminal,
// or when that was asked for.
func isLoud(e *command.Env, c *cli.Context) bool {
	if c.IsSet("quiet") {
		return !c.Bool("quiet")
	}
	return command.IsTerminal(e.Stdout)
}

// sayLeft tells what was not copied.
func (k *copier) sayLeft() {
	for _, line := range k.left {
		fmt.Fprintln(k.e.Stderr, "WARNING: not copied: "+line)
	}
}

// copier copies between a container and here, where "here" is a root like
// another: the host's, as this user sees it.
type copier struct {
	e              *command.Env
	cs             *container.Store
	ctr            *container.Container
	name           string   // of the container, as it was typed
	host           *os.File // the root directory
	follow, owners bool

	copied counter
	left   []string
}

// explain says it in Docker's words.
func (k *copier) explain(err error) error {
	var missing *transfer.NotFoundError
	var place *archive.PlaceError
	switch {
	case errors.As(err, &missing):
		return fmt.Errorf("Could not find the file %s in container %s", missing.Path, k.name)
	case errors.As(err, &place):
		return explainPlace(place, fmt.Sprintf("destination \"%s:%s\"", k.name, place.Path))
	}
	return err
}

// explainPlace is an error about the place called where.
func explainPlace(err *archive.PlaceError, where string) error {
	switch err.Reason {
	case archive.OntoDevice, archive.OntoIrregular:
		return command.Errorf("%s must be a directory or a regular file: %s", where, err.Reason)
	case archive.NotDirectory:
		return command.Errorf("%s must be a directory", where)
	}
	return command.Errorf("%s", err.Reason)
}

// contentsOnly reports whether a source ends with /. and so means what is in
// the directory.
func contentsOnly(src string) bool { return strings.HasSuffix(src, "/.") || src == "." }

// out copies to the host, whose files are this user's business, in a pipe from
// whoever has those of the container.
func (k *copier) out(ctx context.Context, src, dst string) (err error) {
	from := archive.Source{Name: transfer.BaseName(src), Contents: contentsOnly(src)}
	o := archive.OutOptions{Path: src, As: strings.TrimPrefix(from.Name, "/"), Follow: k.follow || from.Contents}
	if dst == "-" {
		if command.IsTerminal(k.e.Stdout.File) {
			return command.Errorf("refusing to copy to a terminal: redirect the output")
		}
		if from.Contents {
			o.As = "."
		}
		k.left, err = archive.Out(ctx, k.cs, k.ctr, k.e.Stdout.File, o, nil)
		return err
	}
	abs, err := absoluteWithSlash(dst)
	if err != nil {
		return err
	}
	to, bad := archive.Find(abs, func(p string) (transfer.Info, error) { return transfer.Stat(k.host, p, false) })
	dir, as := to.Place(from)
	o.As = as
	k.left, err = outward(ctx,
		func(ctx context.Context, w *os.File, begin func()) ([]string, error) {
			return archive.Out(ctx, k.cs, k.ctr, w, o, func(i moby.PathStat) error {
				from.Dir = i.Mode.IsDir()
				if err := cmp.Or(bad, checkHere(to, from, dst, dir)); err != nil {
					return err
				}
				begin()
				return nil
			})
		},
		func(ctx context.Context, r *os.File) ([]string, error) {
			return transfer.In(ctx, io.TeeReader(r, &k.copied), k.host, dir, transfer.InOptions{Host: true})
		},
	)
	return err
}

// checkHere says whether from can be copied to a place of the host.
func checkHere(to archive.Destination, from archive.Source, dst, dir string) error {
	var place *archive.PlaceError
	if err := to.Check(from); errors.As(err, &place) {
		return explainPlace(place, fmt.Sprintf("invalid output path: %q", dst))
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return command.Errorf("invalid output path: directory %q does not exist", dir)
	}
	return nil
}

func (k *copier) in(ctx context.Context, src, dst string) error {
	o := archive.InOptions{Path: path.Join("/", dst) + trailing(dst), Owners: k.owners}
	if src == "-" {
		return k.stream(ctx, o)
	}
	abs, err := absoluteWithSlash(src)
	if err != nil {
		return err
	}
	from := archive.Source{Name: transfer.BaseName(abs), Contents: contentsOnly(src)}
	follow := k.follow || from.Contents
	info, err := transfer.Stat(k.host, abs, follow)
	var missing *transfer.NotFoundError
	switch {
	case errors.As(err, &missing):
		return command.Errorf("lstat %s: no such file or directory", strings.TrimSuffix(abs, "/."))
	case err != nil:
		return err
	case info.Mode&fs.ModeDevice != 0:
		return command.Errorf("cannot copy %s: it is a device", src)
	}
	from.Dir = info.Mode.IsDir()
	o.Source = &from
	return k.inward(ctx, o, func(ctx context.Context, w *os.File, as string) ([]string, error) {
		return transfer.Out(ctx, io.MultiWriter(w, &k.copied), k.host, transfer.OutOptions{Path: abs, As: as, Follow: follow})
	})
}

// stream unpacks what comes in, which may be compressed.
func (k *copier) stream(ctx context.Context, o archive.InOptions) error {
	o.Owners, o.Source = true, &archive.Source{Dir: true, Contents: true, Existing: true}
	return k.inward(ctx, o, func(ctx context.Context, w *os.File, _ string) ([]string, error) {
		plain, err := oci.Decompress(cancel.WaitingReader(ctx, k.e.Stdin)) // which may be silent when nobody takes more
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(w, plain)
		return nil, errors.Join(err, plain.Close())
	})
}

// inward has the container take what write writes, under the name that it says.
func (k *copier) inward(ctx context.Context, o archive.InOptions, write func(ctx context.Context, w *os.File, as string) ([]string, error)) (err error) {
	var name string
	k.left, err = inward(ctx,
		func(ctx context.Context, r *os.File, begin func()) ([]string, error) {
			return archive.In(ctx, k.cs, k.ctr, r, o, func(as string) {
				name = as
				begin()
			})
		},
		func(ctx context.Context, w *os.File) ([]string, error) { return write(ctx, w, name) },
	)
	return err
}

// trailing is the end of a path that says that it is a directory.
func trailing(p string) string {
	switch {
	case strings.HasSuffix(p, "/."):
		return "/."
	case strings.HasSuffix(p, "/") && path.Clean(p) != "/":
		return "/"
	}
	return ""
}

// absoluteWithSlash keeps the end that says something.
func absoluteWithSlash(p string) (string, error) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	return abs + trailing(p), nil
}

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
