// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"

	"coracle/pkg/oci"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// transfer is a COPY or an ADD.
type transfer struct {
	instructions.SourcesAndDest
	code         string // as it is shown
	verb         string
	from         string
	chown, chmod string
	exclude      []string
	parents      bool
	unpack       bool // archives are unpacked, URLs fetched
	checksum     string
}

func copyOf(c *instructions.CopyCommand) transfer {
	return transfer{
		SourcesAndDest: c.SourcesAndDest, code: c.String(), verb: "COPY", from: c.From, chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, parents: c.Parents,
	}
}

func addOf(c *instructions.AddCommand) transfer {
	return transfer{
		SourcesAndDest: c.SourcesAndDest, code: c.String(), verb: "ADD", chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, unpack: c.Unpack == nil || *c.Unpack, checksum: c.Checksum,
	}
}

// item is a file or a directory to be copied.
type item struct {
	tree   *tree
	name   string // in the tree
	target string // below the destination; empty for the destination itself
	info   fs.FileInfo
	data   []byte // in place of a file in a tree
	unpack bool   // an archive
}

// plan is what a transfer copies, and where to.
type plan struct {
	items []item
	dest  string // absolute
	isDir bool   // the destination is a directory, there or not
	mode  *fs.FileMode
	chown string
}

// copy is COPY and ADD.
func (b *builder) copy(s *stage, c transfer) error {
	v := b.tell.announce(s.title(c.code))
	p, err := b.plan(s, c)
	if err != nil {
		return v.fail(err)
	}
	sum, err := p.digest(b.ctx)
	if err != nil {
		return v.fail(err)
	}
	mode := ""
	if p.mode != nil {
		mode = p.mode.String()
	}
	key := newKey(s.parent(), "copy", p.dest, strconv.FormatBool(p.isDir), p.chown, mode, sum)
	err = b.snapshot(s, v, key, func(d *overlay.Dir, lowers []string) error {
		t, err := b.mountUpper(d, lowers)
		if err != nil {
			return err
		}
		defer t.close()
		return p.write(b.ctx, t)
	})
	text := c.verb
	if c.chown != "" {
		text += " --chown=" + c.chown
	}
	if c.from != "" {
		text += " --from=" + c.from
	}
	names := append([]string(nil), c.SourcePaths...)
	for _, h := range c.SourceContents {
		names = append(names, "<<"+h.Path)
	}
	s.addHistory(fmt.Sprintf("%s %s %s # buildkit", text, strings.Join(names, " "), c.DestPath), false)
	return err
}

// plan finds the sources and decides on the names of their copies.
func (b *builder) plan(s *stage, c transfer) (*plan, error) {
	count := len(c.SourcePaths) + len(c.SourceContents)
	slash := strings.HasSuffix(c.DestPath, "/") || path.Base(c.DestPath) == "." || path.Base(c.DestPath) == ".."
	if count > 1 && !slash {
		return nil, fmt.Errorf("When using %s with more than one source file, the destination must be a directory and end with a /", c.verb)
	}
	p := &plan{dest: absolute(s.image.Config.WorkingDir, c.DestPath), isDir: slash || c.parents, chown: c.chown}
	if c.chmod != "" {
		n, err := strconv.ParseUint(c.chmod, 8, 12)
		if err != nil {
			return nil, fmt.Errorf("invalid chmod parameter: '%v'. it should be octal string and between 0 and 07777", c.chmod)
		}
		mode := unixMode(uint32(n))
		p.mode = &mode
	}
	skip, err := patternmatcher.New(c.exclude)
	if err != nil {
		return nil, fmt.Errorf("invalid --exclude: %w", err)
	}
	for _, src := range c.SourcePaths {
		if c.unpack && isRemote(src) {
			err = b.planRemote(p, src, c)
		} else {
			err = b.planSource(p, s, src, c, skip)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, h := range c.SourceContents {
		data := h.Data
		if h.Expand {
			if data, err = s.args.expand(b.file.escape)(data); err != nil {
				return nil, err
			}
		}
		p.items = append(p.items, item{target: path.Base(h.Path), data: []byte(data)})
	}
	return p, nil
}

// unixMode turns permission bits into Go's.
func unixMode(n uint32) fs.FileMode {
	m := fs.FileMode(n & 0o777)
	for bit, mode := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if n&bit != 0 {
			m |= mode
		}
	}
	return m
}

// planSource adds what one source stands for.
func (b *builder) planSource(p *plan, s *stage, src string, c transfer, skip *patternmatcher.PatternMatcher) error {
	t, err := b.source(s, c.from)
	if err != nil {
		return err
	}
	names, err := t.find(src)
	if err != nil {
		return err
	}
	if len(names) > 1 {
		p.isDir = true
	}
	for _, name := range names {
		info, err := t.root.Lstat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			base := path.Base(name)
			if c.parents {
				base = name
			} else if len(names) == 1 {
				base = path.Base(path.Clean("/" + src)) // a link's own name
			}
			p.items = append(p.items, item{tree: t, name: name, target: base, info: info, unpack: c.unpack && isArchive(t, name)})
			continue
		}
		p.isDir = true
		err = t.walk(name, func(found string, info fs.FileInfo) error {
			rel := strings.TrimPrefix(strings.TrimPrefix(found, name), "/")
			if name == "." {
				rel = found
			}
			if rel == "." {
				rel = ""
			}
			if out, err := skip.MatchesOrParentMatches(rel); rel != "" && (err != nil || out) {
				return err
			}
			if c.parents {
				rel = found
			}
			p.items = append(p.items, item{tree: t, name: found, target: rel, info: info})
			return nil
		})
		if err != nil {
			return fmt.Errorf("walk %s: %w", src, err)
		}
	}
	return nil
}

// source is the tree that --from names: a stage, an image, or the context.
func (b *builder) source(s *stage, from string) (*tree, error) {
	if from == "" {
		if b.context == nil {
			return nil, errors.New("there is no build context: the Dockerfile was read from standard input")
		}
		return b.context, nil
	}
	name, err := s.args.expand(b.file.escape)(from)
	if err != nil {
		return nil, err
	}
	var layers []overlay.LayerID
	if i := b.file.stageOrNumber(name, s.index); i >= 0 {
		layers = b.done[i].layers
	} else {
		det, err := b.resolve(name, b.o.Platform)
		if err != nil {
			return nil, err
		}
		layers = det.Layers
	}
	for _, t := range b.mounts {
		if len(layers) > 0 && t.id == string(layers[len(layers)-1]) {
			return t, nil
		}
	}
	t, err := b.layersTree(layers)
	if err != nil {
		return nil, err
	}
	b.mounts = append(b.mounts, t)
	return t, nil
}

func isRemote(src string) bool {
	return strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://") || strings.HasPrefix(src, "git@") || strings.HasPrefix(src, "ssh://")
}

const (
	remoteTime = 10 * time.Minute
	maxRemote  = 4 << 30
)

// planRemote fetches a URL into memory's neighbour, a temporary directory.
func (b *builder) planRemote(p *plan, src string, c transfer) error {
	if strings.HasPrefix(src, "git@") || strings.HasPrefix(src, "ssh://") || strings.Contains(path.Base(src), ".git") {
		return fmt.Errorf("ADD %s: git repositories are not supported", src)
	}
	ctx, cancel := context.WithTimeout(b.ctx, remoteTime)
	defer cancel()
	t, err := b.fetch(ctx, src, c.checksum)
	if err != nil {
		return fmt.Errorf("ADD %s: %w", src, err)
	}
	name := remoteName(src)
	if name == "" && !p.isDir {
		name = path.Base(p.dest)
	}
	if name == "" {
		return fmt.Errorf("cannot determine filename for source %s", src)
	}
	info, err := t.root.Lstat("data")
	if err != nil {
		return err
	}
	p.items = append(p.items, item{tree: t, name: "data", target: name, info: info})
	return nil
}

// isArchive reports whether ADD unpacks a file: a tar archive, compressed or
// not.
func isArchive(t *tree, name string) bool {
	f, err := t.root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	r, err := oci.Decompress(f)
	if err != nil {
		return false
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil
}

// digest is of everything that decides what is written.
func (p *plan) digest(ctx context.Context) (string, error) {
	sum := sha256.New()
	for _, it := range p.items {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if it.info == nil {
			fmt.Fprintf(sum, "data %q %x\n", it.target, sha256.Sum256(it.data))
			continue
		}
		fmt.Fprintf(sum, "%q %v %t ", it.target, it.info.Mode(), it.unpack)
		switch {
		case it.tree.id != "": // the whole tree is known by its digest
			fmt.Fprintf(sum, "%s %q\n", it.tree.id, it.name)
		case it.info.Mode()&fs.ModeSymlink != 0:
			link, err := it.tree.root.Readlink(it.name)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(sum, "%q\n", link)
		case it.info.Mode().IsRegular():
			f, err := it.tree.root.Open(it.name)
			if err != nil {
				return "", fmt.Errorf("failed to compute cache key: %w", err)
			}
			content := sha256.New()
			_, err = io.Copy(content, f)
			f.Close()
			if err != nil {
				return "", fmt.Errorf("failed to compute cache key: %w", err)
			}
			fmt.Fprintf(sum, "%x\n", content.Sum(nil))
		default:
			fmt.Fprintln(sum)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// write makes the copies.
func (p *plan) write(ctx context.Context, t *target) error {
	own := owner{}
	if p.chown != "" {
		u, _, err := spec.ResolveUser(t.path, p.chown, nil)
		if err != nil {
			return fmt.Errorf("invalid --chown: %w", err)
		}
		own = owner{int(u.UID), int(u.GID)}
	}
	intoDir := p.isDir || t.isDir(p.dest)
	for _, it := range p.items {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := p.dest
		if intoDir {
			name = path.Join(p.dest, it.target)
		}
		if err := p.writeItem(t, it, name, own); err != nil {
			return fmt.Errorf("copy to %s: %w", name, err)
		}
	}
	return nil
}

func (p *plan) writeItem(t *target, it item, name string, own owner) error {
	if it.unpack {
		return p.unpackItem(t, it, own)
	}
	if it.info != nil && it.tree.owners && p.chown == "" {
		if st, ok := it.info.Sys().(*syscall.Stat_t); ok {
			own = owner{int(st.Uid), int(st.Gid)}
		}
	}
	parents := &owner{}
	if p.chown != "" {
		parents = &own
	}
	if it.info != nil && it.info.IsDir() {
		return p.writeDir(t, it, name, own, parents)
	}
	dir, err := t.mkdirAll(path.Dir(name), 0o755, parents)
	if err != nil {
		return err
	}
	defer dir.Close()
	return p.writeFile(dir, path.Base(name), it, own)
}

// writeDir makes a directory, or changes one that is there into the copy of a
// source. The destination itself, when it is there, stays as it is.
func (p *plan) writeDir(t *target, it item, name string, own owner, parents *owner) error {
	there := t.isDir(name)
	dir, err := t.mkdirAll(name, 0o755, parents)
	if err != nil {
		return err
	}
	defer dir.Close()
	if it.target == "" && (there || p.mode == nil && !it.tree.owners && it.name == ".") {
		return nil
	}
	mode := it.info.Mode()
	if p.mode != nil {
		mode = *p.mode
	}
	if err := chown(int(dir.Fd()), "", own); err != nil {
		return err
	}
	return dir.Chmod(mode)
}

// writeFile makes a file, a link or a pipe called base in dir, in place of
// what is there.
func (p *plan) writeFile(dir *os.File, base string, it item, own owner) error {
	fd := int(dir.Fd())
	if err := unix.Unlinkat(fd, base, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		if errors.Is(err, unix.EISDIR) {
			return fmt.Errorf("cannot copy to non-directory: a directory is in the way")
		}
		return &os.PathError{Op: "unlink", Path: base, Err: err}
	}
	mode := fs.FileMode(0o644)
	if it.info != nil {
		mode = it.info.Mode()
	}
	switch {
	case mode&fs.ModeSymlink != 0:
		link, err := it.tree.root.Readlink(it.name)
		if err == nil {
			err = unix.Symlinkat(link, fd, base)
		}
		if err == nil {
			err = chown(fd, base, own)
		}
		if err != nil {
			return err
		}
		return setTime(fd, base, it.info)
	case mode&fs.ModeNamedPipe != 0:
		return unix.Mkfifoat(fd, base, uint32(mode.Perm()))
	case !mode.IsRegular():
		return nil // devices and sockets have no place in an image
	}
	if p.mode != nil {
		mode = *p.mode
	}
	out, err := unix.Openat(fd, base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: base, Err: err}
	}
	f := os.NewFile(uintptr(out), base)
	err = it.copyTo(f)
	// The mode comes last: a change of owner takes the set-id bits away.
	err = errors.Join(err, chown(out, "", own), f.Chmod(mode), f.Close())
	if err != nil || it.info == nil {
		return err
	}
	return setTime(fd, base, it.info)
}

func (it item) copyTo(f *os.File) error {
	if it.info == nil {
		_, err := io.Copy(f, bytes.NewReader(it.data))
		return err
	}
	in, err := it.tree.root.Open(it.name)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(f, in); err != nil {
		return err
	}
	if !it.tree.owners {
		return nil
	}
	var caps [64]byte // file capabilities, capabilities(7)
	if n, err := unix.Fgetxattr(int(in.Fd()), "security.capability", caps[:]); err == nil {
		_ = unix.Fsetxattr(int(f.Fd()), "security.capability", caps[:n], 0)
	}
	return nil
}

// chown is lchown(2) on a name in a directory, or fchown(2). In a namespace
// with one id there is nobody else to give a file to: EINVAL.
func chown(fd int, name string, own owner) error {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags = unix.AT_EMPTY_PATH
	}
	err := unix.Fchownat(fd, name, own.uid, own.gid, flags)
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return os.NewSyscallError("chown", err)
}

func setTime(dir int, name string, info fs.FileInfo) error {
	ts, err := unix.TimeToTimespec(info.ModTime())
	if err != nil {
		return err
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(dir, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}

// unpackItem extracts an archive into the destination.
func (p *plan) unpackItem(t *target, it item, own owner) error {
	dir, err := t.mkdirAll(p.dest, 0o755, &owner{})
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := it.tree.root.Open(it.name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := oci.Decompress(f)
	if err != nil {
		return err
	}
	defer r.Close()
	var to *overlay.Owner
	if p.chown != "" {
		to = &overlay.Owner{UID: own.uid, GID: own.gid}
	}
	return overlay.Unpack(r, fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), to)
}
