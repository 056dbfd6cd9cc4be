// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

// inChroot reports whether the root directory is not the root of a mount.
func inChroot() bool {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" { // proc_pid_mountinfo(5)
			return false
		}
	}
	return true
}

// explainUserNS looks for what keeps users from user namespaces, and from
// processes in them.
func explainUserNS(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return explainFork(err)
	}
	none := ids.NoMap()
	switch {
	case none != "":
		return hint.About(hint.UserNamespaces, err, none)
	case Sysctl("user/max_user_namespaces") == "0":
		return hint.About(hint.UserNamespaces, err, "user namespaces are switched off; the administrator can allow them: sysctl user.max_user_namespaces=15000")
	case Sysctl("kernel/unprivileged_userns_clone") == "0":
		return hint.About(hint.UserNamespaces, err, "user namespaces are for root only; the administrator can allow them: sysctl kernel.unprivileged_userns_clone=1")
	case inChroot():
		return hint.About(hint.UserNamespaces, err, "this is a chroot, where the kernel allows no user namespaces (user_namespaces(7)); systemd-nspawn or pivot_root(2) change the root without that")
	case Filtered():
		return hint.About(hint.UserNamespaces, err, filterHint+lacking())
	case Sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return hint.About(hint.UserNamespaces, err, "AppArmor allows user namespaces only to programs with a profile, which coracle doctor --apparmor-profile prints; or: sysctl kernel.apparmor_restrict_unprivileged_userns=0")
	}
	return hint.About(hint.UserNamespaces, err, "something around this process keeps it from user namespaces: a security module, or a filter")
}

// explainMaps looks for what keeps root from the map of ids that everybody else may
// write.
func explainMaps(err error) error {
	if errors.Is(err, unix.EPERM) && lacksSetfcap() {
		return hint.About(hint.UserNamespaces, err, "this is a root without CAP_SETFCAP, who cannot map its own id (user_namespaces(7), Linux 5.12); the container around it needs: --cap-add SETFCAP, or another user than root")
	}
	return explainUserNS(err)
}

func lacksSetfcap() bool { return os.Geteuid() == 0 && !ids.Capable(unix.CAP_SETFCAP) }

// explainFork looks for what keeps this user from another process, in namespaces
// of its own.
func explainFork(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return hint.With(err, namespaceLimits())
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM):
		return hint.About(hint.Limits, err, processLimits())
	}
	return explainFilter(err)
}

// ExplainNamespace adds to an error of making a namespace the limit that it is for,
// where it is one.
func ExplainNamespace(err error) error {
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	return hint.With(err, namespaceLimits())
}

// Sysctl is the value of a setting below /proc/sys, as user/max_user_namespaces; empty
// where there is none.
func Sysctl(name string) string {
	data, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(data))
}

// namespaceLimits names the limit of namespaces(7) that is reached: ENOSPC says
// no more than that there is one.
func namespaceLimits() string {
	for _, k := range namespaceKinds {
		if Sysctl("user/max_"+k.name+"_namespaces") == "0" {
			return noMore("no", k)
		}
	}
	if kind := reached(); kind.name != "" {
		return noMore("no more", kind)
	}
	return hint.UserNamespaces.After("a limit of namespaces is reached, of their number for you or of their depth; the administrator can raise the first: sysctl user.max_user_namespaces (now " +
		Sysctl("user/max_user_namespaces") + "), and so for mnt, pid, net, ipc, uts and cgroup")
}

func noMore(amount string, kind namespaceKind) string {
	return kind.row.After("the host allows " + amount + " " + kind.name + " namespaces; the administrator can: sysctl user.max_" + kind.name + "_namespaces=15000")
}

// namespaceKinds are the kinds with a limit that a thread can make one of (unshare(2)),
// and that of users.
var namespaceKinds = []namespaceKind{
	{"user", 0, hint.UserNamespaces}, {"mnt", unix.CLONE_NEWNS, hint.ProcessNamespaces}, {"pid", unix.CLONE_NEWPID, hint.ProcessNamespaces}, {"net", unix.CLONE_NEWNET, hint.NetworkNamespace},
	{"ipc", unix.CLONE_NEWIPC, hint.ProcessNamespaces}, {"uts", unix.CLONE_NEWUTS, hint.ProcessNamespaces}, {"cgroup", unix.CLONE_NEWCGROUP, hint.CgroupNamespace},
}

type namespaceKind struct {
	name string
	flag int
	row  hint.Row
}

// reached tries of which kind there are no more namespaces: inside a user namespace
// its own limits are to be read, and those of the host count too. What is made ends
// with the thread.
func reached() namespaceKind {
	kind := make(chan namespaceKind, 1)
	go func() {
		runtime.LockOSThread()
		for _, k := range namespaceKinds {
			if errors.Is(unix.Unshare(k.flag), unix.ENOSPC) {
				kind <- k
				return
			}
		}
		kind <- namespaceKind{}
	}()
	return <-kind
}

// processLimits names the limits that keep a process from being made.
func processLimits() string {
	var set []string
	for _, l := range ownLimits {
		var r unix.Rlimit
		if unix.Getrlimit(l.resource, &r) == nil && r.Cur != unix.RLIM_INFINITY {
			set = append(set, l.what+" (now "+strconv.FormatUint(r.Cur/l.unit, 10)+")")
		}
	}
	if len(set) == 0 {
		return "the host or the cgroup around allows no more processes or memory (pids.max, memory.max)"
	}
	return "too many processes, or too little memory: raise " + strings.Join(set, ", ") + ", or the pids.max and memory.max of the cgroup around"
}

// ownLimits are those of a process that can keep it, or another one of the same
// program, from its work. Below least they are small enough to be suspected.
var ownLimits = []struct {
	resource    int
	what        string
	unit, least uint64
}{
	{unix.RLIMIT_NPROC, "ulimit -u", 1, 1024},
	{unix.RLIMIT_AS, "ulimit -v", 1 << 10, 8 << 30},
	{unix.RLIMIT_DATA, "ulimit -d", 1 << 10, 1 << 30},
}

// SmallLimits says what to raise when this process was given little, and is empty
// otherwise: a process that dies of that, a thread of its runtime missing, can
// tell nobody.
func SmallLimits() string {
	for _, l := range ownLimits {
		var r unix.Rlimit
		if unix.Getrlimit(l.resource, &r) == nil && r.Cur < l.least {
			return hint.Limits.After(processLimits())
		}
	}
	return ""
}

// diedError is a process that ended before it could say why.
type diedError struct{ what string }

func (e *diedError) Error() string { return e.what + ": the process died" }
func (e *diedError) Hint() string  { return SmallLimits() }

// explainFilter says of a system call that was refused that a seccomp filter of
// somebody else may have done it.
func explainFilter(err error) error {
	if (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS)) && Filtered() {
		return hint.About(hint.SeccompAround, err, filterHint)
	}
	return err
}

const filterHint = "a seccomp filter around this process keeps it from that, such as the one of a container or of a unit with SystemCallFilter=; " +
	"the container around it needs: --security-opt seccomp=unconfined --security-opt systempaths=unconfined"

// lacking names the capabilities that are missing beside what a filter keeps away: the
// one for a map of ids, and those with which images and builds need no namespaces.
func lacking() string {
	var text string
	if lacksSetfcap() {
		text = " --cap-add SETFCAP"
	}
	if os.Geteuid() == 0 && !chrootCapable() {
		text += "; or, for images and builds: --cap-add CHOWN,DAC_OVERRIDE,FOWNER,SETUID,SETGID,SYS_CHROOT"
	}
	return text
}

// Filtered reports whether a seccomp filter is on this process (proc_pid_status(5)).
func Filtered() bool {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return err == nil && mode == unix.SECCOMP_MODE_FILTER
}
