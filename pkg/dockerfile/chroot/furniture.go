// SPDX-License-Identifier: Apache-2.0

package chroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/inroot"
	"coracle/pkg/network"
	"coracle/pkg/overlay/plain"
)

// furniture is what is put into a tree for one command. Nothing runs in the tree
// while it is put there, nor while it is taken out again; links of the image lead
// nowhere out of the tree all the same.
type furniture struct {
	ctx   context.Context
	top   *os.File // the tree
	tree  string
	aside string // a directory of the same file system, for what is in the way
	cache string // below are the cache mounts
	undo  []func() error
	count int
}

func newFurniture(ctx context.Context, tree, aside, cache string) (*furniture, error) {
	if err := os.Mkdir(aside, 0o700); err != nil {
		return nil, err
	}
	top, err := inroot.OpenRoot(tree)
	if err != nil {
		return nil, err
	}
	return &furniture{ctx: ctx, top: top, tree: tree, aside: aside, cache: cache}, nil
}

// clear takes everything out again, the last first.
func (f *furniture) clear() error {
	var errs []error
	for i := len(f.undo) - 1; i >= 0; i-- {
		errs = append(errs, f.undo[i]())
	}
	f.undo = nil
	return errors.Join(append(errs, f.top.Close())...)
}

func (f *furniture) furnish(s exec.Step) error {
	if err := f.devices(); err != nil {
		return err
	}
	if err := f.names(s.AddHosts); err != nil {
		return err
	}
	for _, m := range s.Mounts {
		if err := f.mount(m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return nil
}

// place is a name in a directory of the tree that is open.
type place struct {
	dir  *os.File
	base string
}

func (p *place) path() string { return inroot.Path(p.dir) + "/" + p.base }

// clearPlace makes a name in the tree free, with what is missing of the directories
// above it; what is there comes back with clear, and so do the times of the
// directory that it is in.
func (f *furniture) clearPlace(name string) (*place, error) {
	real, err := inroot.Root(f.top).Follow(name)
	if err != nil {
		return nil, err
	}
	if real == "/" {
		return nil, errors.New("the root cannot be replaced")
	}
	if err := f.parents(path.Dir(real)); err != nil {
		return nil, err
	}
	dir, err := inroot.Root(f.top).NoLinks().Open(path.Dir(real), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		dir.Close()
		return nil, &os.PathError{Op: "stat", Path: real, Err: err}
	}
	p := &place{dir, path.Base(real)}
	f.count++
	away := filepath.Join(f.aside, strconv.Itoa(f.count))
	err = unix.Renameat(int(dir.Fd()), p.base, unix.AT_FDCWD, away)
	there := err == nil
	if err != nil && !errors.Is(err, unix.ENOENT) {
		dir.Close()
		return nil, &os.PathError{Op: "rename", Path: real, Err: err}
	}
	f.undo = append(f.undo, func() error {
		defer dir.Close()
		err := os.RemoveAll(p.path())
		if there && err == nil {
			err = os.NewSyscallError("rename", unix.Renameat(unix.AT_FDCWD, away, int(dir.Fd()), p.base))
		}
		times := []unix.Timespec{st.Atim, st.Mtim}
		return errors.Join(err, os.NewSyscallError("utimensat", unix.UtimesNanoAt(unix.AT_FDCWD, inroot.Path(dir), times, 0)))
	})
	return p, nil
}

// parents makes what is missing of a directory, and takes it away again while it is
// empty.
func (f *furniture) parents(dir string) error {
	for p := range ancestors(dir) {
		if d, err := inroot.Root(f.top).Open(p, unix.O_PATH|unix.O_DIRECTORY, 0); err == nil {
			d.Close()
			continue
		}
		at, err := f.clearPlace(p)
		if err != nil {
			return err
		}
		// What is left in it by then is the command's.
		last := len(f.undo) - 1
		undo := f.undo[last]
		f.undo[last] = func() error {
			if err := unix.Unlinkat(int(at.dir.Fd()), at.base, unix.AT_REMOVEDIR); errors.Is(err, unix.ENOTEMPTY) {
				return at.dir.Close()
			}
			return undo()
		}
		if err := os.Mkdir(at.path(), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// ancestors are a directory and those above it, the highest first, without the root.
func ancestors(dir string) func(func(string) bool) {
	return func(yield func(string) bool) {
		at := ""
		for elem := range strings.SplitSeq(strings.Trim(path.Clean(dir), "/"), "/") {
			if at += "/" + elem; elem != "" && !yield(at) {
				return
			}
		}
	}
}

// devices makes a new /dev. Where no device may be made, /dev/null is a file.
func (f *furniture) devices() error {
	p, err := f.clearPlace("/dev")
	if err != nil {
		return err
	}
	if err := os.Mkdir(p.path(), 0o755); err != nil {
		return err
	}
	for name, number := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		at := filepath.Join(p.path(), name)
		err := unix.Mknod(at, unix.S_IFCHR|0o666, int(unix.Mkdev(1, number)))
		if errors.Is(err, unix.EPERM) && name == "null" {
			err = os.WriteFile(at, nil, 0o666)
		}
		if err != nil && !errors.Is(err, unix.EPERM) {
			return &os.PathError{Op: "mknod", Path: "/dev/" + name, Err: err}
		}
		if err := os.Chmod(at, 0o666); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	shm := filepath.Join(p.path(), "shm")
	return errors.Join(os.Mkdir(shm, 0o777), os.Chmod(shm, os.ModeSticky|0o777))
}

// names are the files by which programs find hosts.
func (f *furniture) names(add []string) error {
	// One that cannot be read asks the default of the resolver, as the container around does.
	resolv, _ := os.ReadFile("/etc/resolv.conf")
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := network.ParseAddHosts(add)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Addr.IsValid() {
			return fmt.Errorf("--add-host %s: there is no gateway here", e.Name)
		}
		hosts = fmt.Appendf(hosts, "%s\t%s\n", e.Addr, e.Name)
	}
	for name, text := range map[string][]byte{"/etc/resolv.conf": resolv, "/etc/hosts": hosts} {
		p, err := f.clearPlace(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(p.path(), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// mount puts files where a command wants them. What it writes to a cache stays,
// for the cache itself is moved there; everything else is a copy.
func (f *furniture) mount(m exec.StepMount) error {
	p, err := f.clearPlace(m.Target)
	if err != nil {
		return err
	}
	if m.Type == "tmpfs" {
		return errors.Join(os.Mkdir(p.path(), 0o777), os.Chmod(p.path(), os.ModeSticky|0o777))
	}
	source, err := filepath.EvalSymlinks(m.Source)
	if err != nil {
		return err
	}
	if strings.HasPrefix(source, f.cache+"/") && !m.ReadOnly {
		return f.lend(source, p)
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if err := os.Mkdir(p.path(), 0o755); err != nil {
			return err
		}
		return plain.Copy(f.ctx, source, p.path())
	}
	return plain.CopyFile(f.ctx, source, p.path())
}

// lend moves a cache into its place. Should another build have made it anew by the
// time it comes back, that one stays.
func (f *furniture) lend(cache string, p *place) error {
	if err := os.Rename(cache, p.path()); err != nil {
		return err
	}
	f.undo = append(f.undo, func() error {
		err := os.Rename(p.path(), cache)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
			return nil
		}
		return err
	})
	return nil
}
