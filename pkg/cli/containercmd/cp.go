// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/oci"
	"coracle/pkg/state"
)

func CpCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "cp", Usage: "Copy files/folders between a container and the local filesystem", ArgsUsage: "CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
		Flags: []cli.Flag{
			flags.Bool("archive", flags.Short("a"), "Archive mode (copy all uid/gid information)"),
			flags.Bool("follow-link", flags.Short("L"), "Always follow symbol link in SRC_PATH"),
			flags.Bool("quiet", flags.Short("q"), "Suppress progress output during copy"),
		},
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 2, 2); err != nil {
				return err
			}
			return runCopy(e, c)
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

func runCopy(e *command.Env, c *cli.Context) error {
	fromCtr, src := splitCopy(c.Args().First())
	toCtr, dst := splitCopy(c.Args().Get(1))
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
	files, err := client.OpenFiles(c.Context, cs, ctr, ns.Inside(), false)
	if errors.Is(err, state.ErrNeedsUserNS) && !ns.Inside() {
		return e.Again()
	}
	if err != nil {
		return err
	}
	defer files.Close()
	k := &copier{e: e, files: files, name: fromCtr + toCtr, follow: c.Bool("follow-link"), owners: c.Bool("archive")}
	if k.host, err = os.Open("/"); err != nil {
		return err
	}
	defer k.host.Close()
	said := k.name + ":" + dst
	if fromCtr != "" {
		said, err = dst, k.out(src, dst)
	} else {
		err = k.in(src, dst)
	}
	var missing *transfer.NotFoundError
	if errors.As(err, &missing) {
		return fmt.Errorf("Could not find the file %s in container %s", missing.Path, k.name)
	}
	if err != nil {
		return err
	}
	action := "extract-to-dir"
	if fromCtr != "" {
		action = "archive-path"
	}
	cs.Event(&ctr.Record, action, nil)
	k.sayLeft()
	if k.isLoud(c) && src != "-" && dst != "-" {
		fmt.Fprintf(e.Stderr, "Successfully copied %s to %s\n", command.Size(k.copied.n), said)
	}
	return nil
}

// isLoud reports whether to tell of the success: as with Docker at a terminal,
// or when that was asked for.
func (k *copier) isLoud(c *cli.Context) bool {
	if c.IsSet("quiet") {
		return !c.Bool("quiet")
	}
	return command.IsTerminal(k.e.Stdout)
}

// sayLeft tells what was not copied.
func (k *copier) sayLeft() {
	for _, line := range k.left {
		fmt.Fprintln(k.e.Stderr, "WARNING: not copied: "+line)
	}
}

// copier copies between a container and here, where "here" is a root like
// another: the host's.
type copier struct {
	e              *command.Env
	files          *client.Files
	name           string   // of the container, as it was typed
	host           *os.File // the root directory
	follow, owners bool

	copied counter
	left   []string
}

// place decides, as cp does, into which directory something is copied and
// under which name. to is what there is at dst, or nil. The texts are Docker's.
func place(src transfer.Info, contents bool, dst string, to *transfer.Info) (dir, as string, err error) {
	slash := strings.HasSuffix(dst, "/") || strings.HasSuffix(dst, "/.")
	switch {
	case to != nil && to.Mode.IsDir() && src.Mode.IsDir() && contents:
		return dst, "", nil
	case to != nil && to.Mode.IsDir():
		return dst, strings.TrimPrefix(src.Name, "/"), nil
	case to != nil && src.Mode.IsDir():
		return "", "", command.Errorf("cannot copy directory")
	case to == nil && slash && !src.Mode.IsDir():
		return "", "", command.Errorf("no such directory")
	}
	return path.Dir(path.Clean(dst)), path.Base(path.Clean(dst)), nil
}

// contentsOnly reports whether a source ends with /. and so means what is in
// the directory.
func contentsOnly(src string) bool { return strings.HasSuffix(src, "/.") || src == "." }

// maxLinks is how many links are followed one after the other.
const maxLinks = 255

// destination finds what there is at dst, or nil. Of a link it is what the link
// leads to, and so is dst then: also when that is not there yet.
func destination(dst string, stat func(string) (transfer.Info, error)) (string, *transfer.Info, error) {
	for range maxLinks {
		info, err := stat(dst)
		var missing *transfer.NotFoundError
		if errors.As(err, &missing) {
			return dst, nil, nil
		}
		if err != nil {
			return "", nil, err
		}
		if info.Mode&fs.ModeSymlink == 0 {
			return dst, &info, nil
		}
		if path.IsAbs(info.Link) {
			dst = info.Link
		} else {
			dst = path.Join(path.Dir(dst), info.Link)
		}
	}
	return "", nil, fmt.Errorf("%s: too many links", dst)
}

// checkKind refuses to copy to what is neither a directory nor a file.
func checkKind(to *transfer.Info, where string) error {
	switch {
	case to == nil:
	case to.Mode&fs.ModeDevice != 0:
		return command.Errorf("%s must be a directory or a regular file: got a device", where)
	case to.Mode&(fs.ModeIrregular|fs.ModeNamedPipe|fs.ModeSocket) != 0:
		return command.Errorf("%s must be a directory or a regular file: got an irregular file", where)
	}
	return nil
}

func (k *copier) out(src, dst string) error {
	follow := k.follow || contentsOnly(src)
	info, err := k.files.Stat(src, follow)
	if err != nil {
		return err
	}
	if dst == "-" {
		if command.IsTerminal(k.e.Stdout.File) {
			return command.Errorf("refusing to copy to a terminal: redirect the output")
		}
		k.left, err = k.files.Out(k.e.Stdout.File, control.CopyOptions{Path: src, As: strings.TrimPrefix(info.Name, "/"), Follow: follow})
		return err
	}
	abs, err := absoluteWithSlash(dst)
	if err != nil {
		return err
	}
	abs, to, err := destination(abs, func(p string) (transfer.Info, error) { return transfer.Stat(k.host, p, false) })
	if err != nil {
		return err
	}
	if err := checkKind(to, fmt.Sprintf("invalid output path: %q", dst)); err != nil {
		return err
	}
	dir, as, err := place(info, contentsOnly(src), abs, to)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return command.Errorf("invalid output path: directory %q does not exist", dir)
	}
	return k.pipe(
		func(w *os.File) ([]string, error) {
			return k.files.Out(w, control.CopyOptions{Path: src, As: as, Follow: follow})
		},
		func(r *os.File) ([]string, error) {
			return transfer.In(io.TeeReader(r, &k.copied), k.host, dir, transfer.InOptions{Host: true})
		},
	)
}

func (k *copier) in(src, dst string) error {
	end := trailing(dst)
	dst, to, err := destination(path.Join("/", dst)+end, func(p string) (transfer.Info, error) { return k.files.Stat(p, false) })
	if err != nil {
		return err
	}
	if err := checkKind(to, fmt.Sprintf("destination \"%s:%s\"", k.name, dst)); err != nil {
		return err
	}
	if src == "-" {
		return k.stream(dst, to)
	}
	abs, err := absoluteWithSlash(src)
	if err != nil {
		return err
	}
	follow := k.follow || contentsOnly(src)
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
	dir, as, err := place(info, contentsOnly(src), dst, to)
	if err != nil {
		return err
	}
	owners, err := ownersHere()
	if err != nil {
		return err
	}
	return k.pipe(
		func(w *os.File) ([]string, error) {
			return transfer.Out(io.MultiWriter(w, &k.copied), k.host, transfer.OutOptions{Path: abs, As: as, Follow: follow, Owner: owners})
		},
		func(r *os.File) ([]string, error) {
			return k.files.In(r, control.CopyOptions{Path: dir, Owners: k.owners})
		},
	)
}

// stream unpacks what comes in, which may be compressed.
func (k *copier) stream(dst string, to *transfer.Info) error {
	if to == nil || !to.Mode.IsDir() {
		return command.Errorf("destination \"%s:%s\" must be a directory", k.name, dst)
	}
	plain, err := oci.Decompress(k.e.Stdin)
	if err != nil {
		return err
	}
	defer plain.Close()
	return k.pipe(
		func(w *os.File) ([]string, error) {
			_, err := io.Copy(w, plain)
			if errors.Is(err, syscall.EPIPE) {
				err = nil // the reader says why it has ended
			}
			return nil, err
		},
		func(r *os.File) ([]string, error) {
			return k.files.In(r, control.CopyOptions{Path: dst, Owners: true})
		},
	)
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

// ownersHere tells whose files here are, by the numbers that they have outside
// of a user namespace.
func ownersHere() (func(uid, gid int) (int, int), error) {
	maps, err := ids.Current()
	if err != nil {
		return nil, err
	}
	outside := func(maps []ids.Map, id int) int {
		for _, m := range maps {
			if id >= m.ContainerID && id < m.ContainerID+m.Size {
				return m.HostID + id - m.ContainerID
			}
		}
		return id
	}
	return func(uid, gid int) (int, int) { return outside(maps.UID, uid), outside(maps.GID, gid) }, nil
}

// pipe runs the two ends of a copy. The writer's error counts first, unless it
// is only that nobody read: the reader only sees the stream end.
func (k *copier) pipe(write, read func(*os.File) ([]string, error)) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	type result struct {
		left []string
		err  error
	}
	wrote := make(chan result, 1)
	go func() {
		left, err := write(w)
		w.Close()
		if err != nil {
			_ = r.SetReadDeadline(time.Unix(1, 0)) // a supervisor that is stopped has the other end, too
		}
		wrote <- result{left, err}
	}()
	left, rerr := read(r)
	r.Close() // the writer is not to hang on what nobody reads
	if rerr != nil {
		_ = w.SetWriteDeadline(time.Unix(1, 0))
	}
	out := <-wrote
	k.left = append(out.left, left...)
	if rerr != nil && (out.err == nil || errors.Is(out.err, syscall.EPIPE) || errors.Is(out.err, os.ErrDeadlineExceeded)) {
		return rerr
	}
	return out.err
}
