// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/container/transfer"
	"coracle/pkg/ns"
)

func cpCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "cp", Usage: "Copy files/folders between a container and the local filesystem", ArgsUsage: "CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
		Flags: []cli.Flag{
			flag("archive", short("a"), "Archive mode (copy all uid/gid information)"),
			flag("follow-link", short("L"), "Always follow symbol link in SRC_PATH"),
			flag("quiet", short("q"), "Suppress progress output during copy"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 2, 2); err != nil {
				return err
			}
			return e.runCopy(c)
		},
	}
}

// splitCopy tells a path in a container from one here: a path that begins with
// a slash or a dot has no container before its colon.
func splitCopy(arg string) (ctr, name string) {
	if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return "", arg
	}
	ctr, name, ok := strings.Cut(arg, ":")
	if !ok {
		return "", arg
	}
	return ctr, name
}

func (e *env) runCopy(c *cli.Context) error {
	fromCtr, src := splitCopy(c.Args().First())
	toCtr, dst := splitCopy(c.Args().Get(1))
	switch {
	case fromCtr != "" && toCtr != "":
		return cliErrorf("copying between containers is not supported")
	case fromCtr == "" && toCtr == "":
		return cliErrorf("must specify at least one container source")
	case src == "":
		return cliErrorf("source can not be empty")
	case dst == "":
		return cliErrorf("destination can not be empty")
	}
	cs, ctr, err := e.container(fromCtr + toCtr)
	if err != nil {
		return err
	}
	files, err := cs.OpenFiles(c.Context, ctr, ns.Inside())
	if errors.Is(err, container.ErrNeedsUserNS) && !ns.Inside() {
		return e.again()
	}
	if err != nil {
		return err
	}
	defer files.Close()
	k := copier{e: e, files: files, follow: c.Bool("follow-link"), owners: c.Bool("archive")}
	said := ctr.Name + ":" + dst
	if fromCtr != "" {
		said, err = dst, k.out(src, dst)
	} else {
		err = k.in(src, dst)
	}
	var missing *transfer.NotFoundError
	if errors.As(err, &missing) {
		return fmt.Errorf("Could not find the file %s in container %s", missing.Path, fromCtr+toCtr)
	}
	if err != nil {
		return err
	}
	action := "extract-to-dir"
	if fromCtr != "" {
		action = "archive-path"
	}
	cs.Event(&ctr.Record, action, nil)
	if !c.Bool("quiet") && src != "-" && dst != "-" {
		fmt.Fprintf(e.stderr, "Successfully copied to %s\n", said)
	}
	return nil
}

// copier copies between a container and here, where "here" is a root like
// another: the host's.
type copier struct {
	e              *env
	files          *container.Files
	follow, owners bool
}

// place decides, as cp does, into which directory something is copied and
// under which name. to is what there is at dst, or nil.
func place(src transfer.Info, contents bool, dst string, to *transfer.Info) (dir, as string, err error) {
	slash := strings.HasSuffix(dst, "/") || strings.HasSuffix(dst, "/.")
	switch {
	case to != nil && to.Mode.IsDir() && src.Mode.IsDir() && contents:
		return dst, "", nil
	case to != nil && to.Mode.IsDir():
		return dst, src.Name, nil
	case to != nil && src.Mode.IsDir():
		return "", "", errors.New("cannot copy directory")
	case to == nil && slash && !src.Mode.IsDir():
		return "", "", errors.New("destination directory must exist")
	}
	return path.Dir(path.Clean(dst)), path.Base(path.Clean(dst)), nil
}

// contentsOnly reports whether a source ends with /. and so means what is in
// the directory.
func contentsOnly(src string) bool { return strings.HasSuffix(src, "/.") || src == "." }

func (k *copier) out(src, dst string) error {
	info, err := k.files.Stat(src, k.follow || contentsOnly(src))
	if err != nil {
		return err
	}
	if dst == "-" {
		return k.files.Out(k.e.stdout, container.CopyOptions{Path: src, As: info.Name, Follow: k.follow})
	}
	abs, err := absoluteWithSlash(dst)
	if err != nil {
		return err
	}
	host, err := os.Open("/")
	if err != nil {
		return err
	}
	defer host.Close()
	to, err := statOrNil(func() (transfer.Info, error) { return transfer.Stat(host, abs, true) })
	if err != nil {
		return err
	}
	dir, as, err := place(info, contentsOnly(src), abs, to)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("invalid output path: directory %q does not exist", dir)
	}
	return k.pipe(
		func(w *os.File) error {
			return k.files.Out(w, container.CopyOptions{Path: src, As: as, Follow: k.follow || contentsOnly(src)})
		},
		func(r io.Reader) error { return transfer.In(r, host, dir, false) },
	)
}

func (k *copier) in(src, dst string) error {
	to, err := statOrNil(func() (transfer.Info, error) { return k.files.Stat(dst, true) })
	if err != nil {
		return err
	}
	if src == "-" {
		if to == nil || !to.Mode.IsDir() {
			return fmt.Errorf("destination %q must be a directory", dst)
		}
		return k.files.In(k.e.stdin, container.CopyOptions{Path: dst, Owners: true})
	}
	abs, err := absoluteWithSlash(src)
	if err != nil {
		return err
	}
	host, err := os.Open("/")
	if err != nil {
		return err
	}
	defer host.Close()
	follow := k.follow || contentsOnly(src)
	info, err := transfer.Stat(host, abs, follow)
	var missing *transfer.NotFoundError
	if errors.As(err, &missing) {
		return cliErrorf("lstat %s: no such file or directory", src)
	}
	if err != nil {
		return err
	}
	dir, as, err := place(info, contentsOnly(src), path.Join("/", dst)+trailing(dst), to)
	if err != nil {
		return err
	}
	return k.pipe(
		func(w *os.File) error { return transfer.Out(w, host, abs, as, follow) },
		func(r io.Reader) error {
			file, ok := r.(*os.File)
			if !ok {
				return errors.New("copy: not a pipe")
			}
			return k.files.In(file, container.CopyOptions{Path: dir, Owners: k.owners})
		},
	)
}

func trailing(p string) string {
	if strings.HasSuffix(p, "/") {
		return "/"
	}
	return ""
}

// absoluteWithSlash keeps the slash at the end, which says something.
func absoluteWithSlash(p string) (string, error) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(p, "/.") {
		return abs + "/.", nil
	}
	return abs + trailing(p), nil
}

func statOrNil(f func() (transfer.Info, error)) (*transfer.Info, error) {
	info, err := f()
	var missing *transfer.NotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &info, nil
}

// pipe runs the two ends of a copy. The writer's error counts first: the
// reader only sees the stream end.
func (k *copier) pipe(write func(*os.File) error, read func(io.Reader) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	wrote := make(chan error, 1)
	go func() {
		err := write(w)
		w.Close()
		wrote <- err
	}()
	rerr := read(r)
	_, _ = io.Copy(io.Discard, r) // the writer is not to hang on what nobody reads
	r.Close()
	if err := <-wrote; err != nil {
		return err
	}
	return rerr
}
