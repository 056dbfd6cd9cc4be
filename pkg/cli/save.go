// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func saveCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "save", Usage: "Save one or more images to a tar archive (streamed to STDOUT by default)", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: []cli.Flag{
			flags.Text("output", flags.Short("o"), "Write to a file, instead of STDOUT"),
			flags.Text("platform", nil, "Accepted: an image here has one platform"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			if c.String("output") == "" && isTerminal(e.stdout) {
				return cliErrorf("cowardly refusing to save to a terminal. Use the -o flag or redirect")
			}
			if err := platformCheck(e, c, c.Args().Slice()...); err != nil {
				return err
			}
			return transferInside(e, c, func(st *overlay.Store) error { return runSave(e, c, st) })
		},
	}
}

func runSave(e *env, c *cli.Context, st *overlay.Store) error {
	ctx := c.Context
	images, err := imagesToSave(e, c.Args().Slice())
	if err != nil {
		return err
	}
	for _, img := range images {
		event(e, events.Image, "save", "sha256:"+img.ID, "sha256:"+img.ID)
	}
	name := c.String("output")
	if name == "" {
		return oci.Save(ctx, st, e.stdout, images)
	}
	return saveFile(ctx, st, name, images)
}

// saveFile writes beside the file and renames: a save that fails leaves no
// part, and what was there stays. A device or pipe is written to as it is.
func saveFile(ctx context.Context, st *overlay.Store, name string, images []oci.SaveImage) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return cliErrorf("failed to save image: invalid output path: %q must be a file", name)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return &cliError{"failed to save image: " + err.Error()}
		}
		defer f.Close()
		return oci.Save(ctx, st, f, images)
	}
	f, err := unnamed(filepath.Dir(name))
	if err != nil {
		return &cliError{"failed to save image: " + err.Error()}
	}
	defer f.Close()
	if err := oci.Save(ctx, st, f, images); err != nil {
		if f.Name() != namelessFile {
			os.Remove(f.Name())
		}
		return err
	}
	return nameIt(f, name)
}

// namelessFile is what errors call a file without a name.
const namelessFile = "the archive"

// unnamed is a new file in dir that is gone if nobody names it, even when we are
// killed; where the file system has no such files, one with a name.
func unnamed(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return os.CreateTemp(dir, ".coracle-save-")
	}
	return os.NewFile(uintptr(fd), namelessFile), nil
}

// nameIt gives f the place of whatever has the name.
func nameIt(f *os.File, name string) error {
	part := f.Name()
	if part == namelessFile {
		part = filepath.Join(filepath.Dir(name), fmt.Sprintf(".coracle-save-%d", os.Getpid()))
		if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, part, unix.AT_SYMLINK_FOLLOW); err != nil {
			return &os.LinkError{Op: "link", Old: "saved image", New: part, Err: err}
		}
	}
	if err := os.Rename(part, name); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}

// imagesToSave finds what the arguments mean. A repository without a tag means
// all its tags, as in Docker.
func imagesToSave(e *env, args []string) ([]oci.SaveImage, error) {
	ix, err := e.index()
	if err != nil {
		return nil, err
	}
	var list []oci.SaveImage
	add := func(id string, name string) {
		i := slices.IndexFunc(list, func(s oci.SaveImage) bool { return s.ID == id })
		if i < 0 {
			i, list = len(list), append(list, oci.SaveImage{ID: id})
		}
		if name != "" && !slices.Contains(list[i].Names, name) {
			list[i].Names = append(list[i].Names, name)
		}
	}
	for _, arg := range args {
		if ref, err := oci.ParseRef(arg); err == nil && !hasTag(arg, ref) {
			if names := namesOf(ix, ref); len(names) > 0 {
				for _, n := range names {
					img, _ := ix.Find(n)
					add(img.ID, n)
				}
				continue
			}
		}
		img, name, err := oci.Lookup(ix, arg)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(img.Names, name) {
			name = "" // found by ID or digest
		}
		add(img.ID, name)
	}
	return list, nil
}
