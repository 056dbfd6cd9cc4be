// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/mount"
)

// bind attaches a tree of the host. It is looked up once: what decides whether
// the target is a file or a directory is what is mounted.
func (r *rootfs) bind(m specs.Mount, target string) error {
	tree, err := r.source(m)
	if errors.Is(err, unix.ENOENT) && m.Source == hostQueues {
		return nil // a host that has mounted its queues nowhere shows none
	}
	if err != nil {
		return err
	}
	defer tree.Close()
	info, err := tree.Stat()
	if err != nil {
		return err
	}
	place := r.mkfile
	if info.IsDir() {
		place = r.mkdirAll
	}
	to, err := place(target)
	if errors.Is(err, unix.ENOTDIR) {
		return errKind
	}
	if err != nil {
		return err
	}
	defer to.Close()
	there, err := to.Stat()
	if err != nil {
		return err
	}
	if there.IsDir() != info.IsDir() {
		return errKind
	}
	if err := checkTarget(to, target, m.Source); err != nil {
		return err
	}
	return attachTree(tree, m.Options, to)
}

// hostQueues are the message queues of the host, for --ipc host (mq_overview(7)).
const hostQueues = "/dev/mqueue"

// errKind has Docker's words.
var errKind = errors.New("not a directory: Are you trying to mount a directory onto a file (or vice-versa)? " +
	"Check if the specified host path exists and is the expected type")

// source is the detached mount that came with the configuration, or one of
// what the spec names.
func (r *rootfs) source(m specs.Mount) (*os.File, error) {
	if fd, ok := r.trees[m.Destination]; ok {
		return os.NewFile(uintptr(fd), m.Source), nil
	}
	return mount.ClonePath(m.Source, mount.Recursive(m.Options))
}

func attachTree(tree *os.File, options []string, to *os.File) error {
	if err := mount.Set(tree, options); err != nil {
		return err
	}
	return mount.Attach(tree, to)
}
