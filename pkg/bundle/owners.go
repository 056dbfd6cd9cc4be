// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ids/paper"
	"coracle/pkg/ns"
	"coracle/pkg/ns/fork"
	"coracle/pkg/oci/spec"
)

// Where a container has a single id, owners are noted and identities are on paper if its
// config.json asks for that: somebody has to answer its calls as long as it runs. That is
// the one process that may stay behind create, exec and run, beside the container: the
// keeper stage, outside of the container's namespaces but for that of its users, a
// session of its own without the caller's streams. It ends when no process is left that
// has the filter.

// OwnersAnnotation asks for that with the value OwnersNoted.
const (
	OwnersAnnotation = "coracle.owners"
	OwnersNoted      = "noted"
)

// asksForOwners reports whether owners are to be noted, and refuses other words.
func asksForOwners(s *specs.Spec) (bool, error) {
	switch v := s.Annotations[OwnersAnnotation]; v {
	case OwnersNoted:
		return true, nil
	case "":
		return false, nil
	default:
		return false, fmt.Errorf("annotations[%s]: %q is not known, %s is", OwnersAnnotation, v, OwnersNoted)
	}
}

// onPaper changes a config.json that was read for what it asks for, where its container,
// whose ids are m, has a single one. who is whom its process begins as, nil for root.
func onPaper(s *specs.Spec, p *specs.Process, m ids.Maps) (changed *specs.Process, who *ids.User) {
	if noted, err := asksForOwners(s); err != nil || !noted || !m.Single() {
		return p, nil
	}
	s.Linux.Seccomp = spec.HandOver(s.Linux.Seccomp, os.Getenv(paper.HideOwners) == "1")
	return spec.OnPaper(p, m)
}

// idsOf are those that a container has which is to be made.
func idsOf(s *specs.Spec) (ids.Maps, error) {
	if m := maps(s); m != nil {
		return *m, nil
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.UserNamespace {
			return ids.Maps{}, nil // joined by its path: not known from outside
		}
	}
	return ids.Current()
}

// keep leaves a process that answers the calls of i, where its filter hands them over. It
// returns when that process is ready for them.
func keep(i *ns.Process, who *ids.User) (err error) {
	if i.Listener == nil {
		return nil
	}
	defer func() {
		i.Listener.Close()
		i.Listener = nil
		if err != nil {
			err = fmt.Errorf("leave a process that answers for one id: %w", err)
		}
	}()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	ready, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	defer theirs.Close()
	begins, err := json.Marshal(beginning{i.Process.Pid, who})
	if err != nil {
		return err
	}
	joins, done, err := usersOf(i.Process.Pid)
	if err != nil {
		return err
	}
	defer done()
	p, err := fork.Program{
		Joins: joins, Path: "/proc/self/exe", Args: []string{ns.StageKeeper, string(begins)}, Keep: len(joins) > 0,
		Files: []*os.File{null, null, null, i.Listener, theirs},
	}.Start()
	if err != nil {
		return err
	}
	theirs.Close()
	if n, _ := ready.Read(make([]byte, 1)); n == 0 {
		_, _ = p.Wait()
		return errors.New("it died")
	}
	return p.Release()
}

// usersOf is how to join the user namespace of a process that has another one than ours.
func usersOf(pid int) (joins []fork.Join, done func(), err error) {
	theirs, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return nil, nil, err
	}
	var a, b unix.Stat_t
	if err := errors.Join(unix.Fstat(int(theirs.Fd()), &a), unix.Stat("/proc/self/ns/user", &b)); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	if a.Dev == b.Dev && a.Ino == b.Ino {
		theirs.Close()
		return nil, func() {}, nil
	}
	return []fork.Join{{FD: int(theirs.Fd()), Kinds: unix.CLONE_NEWUSER}}, func() { theirs.Close() }, nil
}

// beginning is what a keeper is told: which process begins as whom.
type beginning struct {
	Pid int       `json:"pid"`
	Who *ids.User `json:"who,omitempty"`
}

// Keep is the keeper stage. Its descriptors are the listener, 3, and the end of a pipe
// that it writes to when it is ready, 4.
func Keep() int {
	var b beginning
	if len(os.Args) < 2 || json.Unmarshal([]byte(os.Args[1]), &b) != nil {
		return 1
	}
	_ = os.Chdir("/") // of the caller's nothing is kept
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	k := paper.NewKeeper()
	if b.Who != nil {
		k.Assume(b.Pid, *b.Who)
	}
	ready := os.NewFile(4, "ready")
	if _, err := ready.Write([]byte{1}); err != nil {
		return 1
	}
	ready.Close()
	if k.Serve(os.NewFile(3, "seccomp listener")) != nil {
		return 1
	}
	return 0
}
