// SPDX-License-Identifier: Apache-2.0

package state

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// Watcher is told of what happens to the files of a directory.
type Watcher struct {
	// Changed has a value when a file was written to, or came to be there, since the last
	// one was taken: one for however much has happened.
	Changed <-chan struct{}

	changed chan struct{}
	in      *instance
	wd      int32
}

// instance is an inotify(7) with those who watch by it. A user may have 128 of them, and
// a process that serves many who follow takes one.
type instance struct {
	mu   sync.Mutex
	fd   int
	f    *os.File             // fd, to wait for; nil while nobody watches
	dirs map[int32][]*Watcher // by watch descriptors; one for each directory, however many watch it
}

// watching is the instance of this process: the kernel counts them by user, so that no
// two parts of the process should have their own.
var watching instance

const watched = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVE_SELF | unix.IN_DELETE_SELF

// Watch begins to watch a directory.
func Watch(dir string) (*Watcher, error) { return watching.watch(dir) }

func (in *instance) watch(dir string) (*Watcher, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.f == nil {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err != nil {
			return nil, explainWatch(os.NewSyscallError("inotify_init1", err))
		}
		in.fd, in.f, in.dirs = fd, os.NewFile(uintptr(fd), "inotify"), map[int32][]*Watcher{}
		go in.read(in.f)
	}
	wd, err := unix.InotifyAddWatch(in.fd, dir, watched)
	if err != nil {
		in.close()
		return nil, explainWatch(os.NewSyscallError("inotify_add_watch", err))
	}
	w := &Watcher{changed: make(chan struct{}, 1), in: in, wd: int32(wd)}
	w.Changed = w.changed
	in.dirs[w.wd] = append(in.dirs[w.wd], w)
	return w, nil
}

// Close ends the watch. It may be called once.
func (w *Watcher) Close() {
	in := w.in
	in.mu.Lock()
	defer in.mu.Unlock()
	in.dirs[w.wd] = slices.DeleteFunc(in.dirs[w.wd], func(o *Watcher) bool { return o == w })
	if len(in.dirs[w.wd]) == 0 {
		delete(in.dirs, w.wd)
		_, _ = unix.InotifyRmWatch(in.fd, uint32(w.wd)) // it ended with its directory, perhaps
	}
	in.close()
}

// close ends an instance that nobody watches by. in.mu is held.
func (in *instance) close() {
	if len(in.dirs) == 0 {
		in.f.Close()
		in.f = nil
	}
}

// read tells of what the kernel does, until f is closed.
func (in *instance) read(f *os.File) {
	for buf := make([]byte, 16<<10); ; {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		in.mu.Lock()
		if in.f == f { // else these are of watches that have ended
			in.tell(buf[:n])
		}
		in.mu.Unlock()
	}
}

// tell takes struct inotify_events. in.mu is held.
func (in *instance) tell(events []byte) {
	for len(events) >= unix.SizeofInotifyEvent {
		wd, mask := int32(binary.NativeEndian.Uint32(events)), binary.NativeEndian.Uint32(events[4:])
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		events = events[min(size, len(events)):]
		for of, list := range in.dirs {
			if of != wd && mask&unix.IN_Q_OVERFLOW == 0 { // which is of all
				continue
			}
			for _, w := range list {
				select {
				case w.changed <- struct{}{}:
				default: // it has not looked since
				}
			}
		}
	}
}

// explainWatch says what can be done about a limit of inotify(7) that is reached.
func explainWatch(err error) error {
	const admin = "your other programs watch as many files as the host allows; the administrator can allow more: sysctl "
	switch {
	case errors.Is(err, unix.EMFILE):
		return hint.About(hint.Inotify, err, admin+"fs.inotify.max_user_instances=1024 (or it is ulimit -n that is reached)")
	case errors.Is(err, unix.ENOSPC):
		return hint.About(hint.Inotify, err, admin+"fs.inotify.max_user_watches=524288")
	}
	return err
}
