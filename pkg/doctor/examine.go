// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"coracle/pkg/cgroup"
	"coracle/pkg/hint"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Examine looks at the host. root is as in [state.Open]; where that fails, what
// needs it is unknown.
func Examine(ctx context.Context, root string) Report {
	dirs, storeErr := state.Open(root)
	report := append(Report{kernel(ns.Sysctl("kernel/osrelease"))}, try(ctx, dirs, storeErr == nil)...)
	report = append(report, store(dirs, storeErr), sharedStores(), locks(dirs, storeErr), execution(dirs, storeErr), runDirectory(dirs, storeErr), subordinateIDs())
	report = append(report, cgroups()...)
	return append(report, filter(), limits(), inotify(), ports(), ping(), ipv6(), names("/etc/resolv.conf"), clock(time.Now()), Lingering(), manager(ctx))
}

// leastKernel is the first that has all of what cannot be done without: overlayfs
// in user namespaces is of 5.11, mounts that are changed recursively of 5.12.
const leastKernel = "5.13"

func kernel(release string) Row {
	r := row(hint.Kernel)
	if !atLeast(release, leastKernel) {
		return r.absent(fmt.Errorf("%s is older than %s", release, leastKernel))
	}
	return r.present(release)
}

// atLeast compares the first two numbers of versions. One that is no version is
// taken for new.
func atLeast(have, want string) bool {
	var h, w [2]int
	if n, _ := fmt.Sscanf(have, "%d.%d", &h[0], &h[1]); n < 2 {
		return true
	}
	_, _ = fmt.Sscanf(want, "%d.%d", &w[0], &w[1])
	return h[0] > w[0] || h[0] == w[0] && h[1] >= w[1]
}

// Profile is an AppArmor profile that gives the program at path user namespaces,
// where those without a profile have none (Ubuntu 23.10 and later).
func Profile(path string) string {
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`, `@`, `\@`, `^`, `\^`).Replace(path) + `"`
	return "abi <abi/4.0>,\ninclude <tunables/global>\nprofile coracle " + quoted + " flags=(unconfined) {\n  userns,\n}\n"
}

func store(d state.Dirs, err error) Row {
	r := row(hint.Store)
	r.Lost, r.Instead = "", ""
	if isRunDirectory(err) {
		return r.unknown("there is no run directory")
	}
	if err != nil {
		return r.absent(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(d.Root, &st); err != nil {
		return r.absent(&os.PathError{Op: "statfs", Path: d.Root, Err: err})
	}
	if err := unix.Access(d.Root, unix.W_OK); err != nil {
		return r.absent(state.Explain(&os.PathError{Op: "write", Path: d.Root, Err: err}))
	}
	if d.Homeless != nil {
		return Row{Name: r.Name, State: Partly, Found: d.Homeless.Error(), Lost: "images and containers, when the temporary space is cleaned", Instead: d.Root + " on " + state.FileSystem(int64(st.Type)),
			Remedy: "a HOME that you can write to, or a directory of yours: --root, or CORACLE_ROOT"}
	}
	free := st.Bavail * uint64(st.Bsize)
	r.Needed = false
	found := d.Root + " on " + state.FileSystem(int64(st.Type)) + ", " + units.BytesSize(float64(free)) + " free"
	if free < 1<<30 {
		return Row{Name: r.Name, State: Partly, Found: found, Lost: "images larger than that", Remedy: "coracle system prune, or --root on a larger file system"}
	}
	return r.present(found)
}

// sharedStores are those that are named.
func sharedStores() Row {
	r := row(hint.SharedStores)
	stores, errs := overlay.SharedStores()
	if len(errs) > 0 {
		why := make([]string, len(errs))
		for i, err := range errs {
			why[i] = err.Error()
		}
		r = r.partly(strings.Join(why, "; "))
		r.Remedy = hint.Text(hint.Of(errs[0]))
		return r
	}
	var found []string
	for _, s := range stores {
		found = append(found, fmt.Sprintf("%s (images: %d)", s.Dir, len(s.Images)))
	}
	if len(found) == 0 {
		return r.present("none is named")
	}
	return r.present(strings.Join(found, ", "))
}

// locks tries flock(2) in the store.
func locks(d state.Dirs, err error) Row {
	r := row(hint.Locks)
	if err != nil {
		return r.unknown("there is no store")
	}
	lock, err := state.TryAcquire(d.Tmp().StagingLock(), state.Shared)
	switch {
	case err == nil:
		lock.Release()
	case errors.Is(err, state.ErrLocked):
	case errors.Is(err, unix.ENOLCK):
		return r.absent(err)
	default:
		return r.unknown(err.Error())
	}
	return r.present("in the store")
}

// execution is whether programs in the store can be executed as they are.
func execution(d state.Dirs, err error) Row {
	r := row(hint.Execution)
	var st unix.Statfs_t
	if err != nil || unix.Statfs(d.Root, &st) != nil {
		return r.unknown("there is no store")
	}
	if st.Flags&unix.ST_NOEXEC != 0 {
		return r.partly("the store's file system is mounted noexec")
	}
	return r.present("from the store")
}

func inotify() Row {
	r := row(hint.Inotify)
	f, err := state.Watch("/")
	if err != nil {
		return r.absent(err)
	}
	f.Close()
	return r.present("max_user_instances " + ns.Sysctl("fs/inotify/max_user_instances"))
}

// clock doubts times from before this program was thought of.
func clock(now time.Time) Row {
	r := row(hint.Clock)
	if now.Year() < 2025 {
		return r.partly(now.UTC().Format(time.RFC3339))
	}
	return r.present(now.UTC().Format(time.RFC3339))
}

func runDirectory(d state.Dirs, err error) Row {
	r := row(hint.RunDirectory)
	if isRunDirectory(err) {
		r.Lost, r.Instead, r.Needed = "containers, and all that is kept", "", true
		return r.absent(err)
	}
	if err != nil {
		return r.unknown("there is no store")
	}
	if x := os.Getenv("XDG_RUNTIME_DIR"); x == "" || !strings.HasPrefix(d.Run, x+"/") {
		return r.partly(d.Run)
	}
	return r.present(d.Run)
}

// isRunDirectory reports whether it is the run directory for which there is no store.
func isRunDirectory(err error) bool {
	return err != nil && strings.HasSuffix(hint.Of(err), hint.RunDirectory.See())
}

func subordinateIDs() Row {
	r := row(hint.SubordinateIDs)
	m, err := ids.HostMaps()
	if err != nil {
		return r.absent(err)
	}
	if m.Single() {
		r.State, r.Found, r.Remedy = Partly, m.Reason, m.Remedy()
		return r
	}
	n := 0
	for _, e := range m.UID {
		n += e.Size
	}
	return r.present(strconv.Itoa(n) + " user ids")
}

// cgroups are the rows of what limits need.
func cgroups() []Row {
	names, delegated := cgroup.Available()
	group := row(hint.Cgroup)
	if !delegated {
		return []Row{group.partly("no cgroup v2 is delegated to you"), row(hint.CgroupControllers).unknown("no cgroup v2 is delegated to you")}
	}
	var missing []string
	for _, c := range []string{"cpu", "cpuset", "io", "memory", "pids"} {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+c+" ") {
			missing = append(missing, c)
		}
	}
	list := []Row{group.present("delegated")}
	controllers := row(hint.CgroupControllers).partly("without " + strings.Join(missing, ", "))
	if len(missing) == 0 {
		controllers = controllers.present(strings.Join(names, " "))
	}
	return append(list, controllers)
}

func filter() Row {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err == nil && mode == unix.SECCOMP_MODE_FILTER {
		return row(hint.SeccompAround).partly("a filter of a container or a unit is on this process")
	}
	return row(hint.SeccompAround).present("no filter")
}

// limits are of the caller, and low only where somebody has set them so.
func limits() Row {
	var low []string
	for _, l := range []struct {
		resource int
		what     string
		least    uint64
	}{{unix.RLIMIT_NPROC, "ulimit -u", 1024}, {unix.RLIMIT_NOFILE, "ulimit -Hn", 1024}, {unix.RLIMIT_FSIZE, "ulimit -f", unix.RLIM_INFINITY}, {unix.RLIMIT_AS, "ulimit -v", unix.RLIM_INFINITY}} {
		var r unix.Rlimit
		if unix.Getrlimit(l.resource, &r) == nil && r.Max < l.least {
			low = append(low, fmt.Sprintf("%s %d", l.what, r.Max))
		}
	}
	if len(low) == 0 {
		return row(hint.Limits).present("not low")
	}
	return row(hint.Limits).partly(strings.Join(low, ", "))
}

func ports() Row {
	start := ns.Sysctl("net/ipv4/ip_unprivileged_port_start")
	n, err := strconv.Atoi(start)
	r := row(hint.LowPorts)
	r.Lost = "publishing ports below " + start
	switch {
	case err != nil:
		r.State, r.Found, r.Lost = Unknown, "no net.ipv4.ip_unprivileged_port_start", ""
	case n <= 80 || os.Geteuid() == 0:
		return r.present("from " + start)
	default:
		r.State, r.Found = Partly, "from "+start
	}
	return r
}

func ping() Row {
	r := row(hint.Ping)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		r.State, r.Found = Partly, fmt.Sprintf("ICMP socket: %v", err)
		return r
	}
	unix.Close(fd)
	return r.present("ICMP sockets")
}

func ipv6() Row {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r := row(hint.IPv6).partly(err.Error())
		r.Remedy = "" // the kernel has none
		return r
	}
	unix.Close(fd)
	if ns.Sysctl("net/ipv6/conf/all/disable_ipv6") == "1" {
		return row(hint.IPv6).partly("net.ipv6.conf.all.disable_ipv6 is 1")
	}
	return row(hint.IPv6).present("sockets")
}

// names looks for a name server as containers are given one.
func names(resolvConf string) Row {
	r := row(hint.NameServers)
	r.Instead, r.Remedy = "", "nameserver lines in "+resolvConf
	data, err := os.ReadFile(resolvConf)
	var servers []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			servers = append(servers, f[1])
		}
	}
	if len(servers) == 0 {
		r.State, r.Found, r.Instead = Partly, "none in "+resolvConf, "127.0.0.1, as the resolver's default is"
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Found = err.Error()
		}
		return r
	}
	return r.present(strings.Join(servers, " "))
}

// lingering is whether what runs for the user goes on when they log out.
func lingering(systemd, users string) Row {
	r := row(hint.Lingering)
	r.Remedy = "loginctl enable-linger " + account()
	if _, err := os.Stat(systemd); err != nil {
		return r.present("not needed: no systemd")
	}
	if _, err := os.Stat(filepath.Join(users, account())); err != nil && os.Geteuid() != 0 {
		r.State, r.Found = Partly, "off"
		return r
	}
	return r.present("on")
}
