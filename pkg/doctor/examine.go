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
	report = append(report, store(dirs, storeErr))
	if row, named := sharedStores(); named {
		report = append(report, row)
	}
	report = append(report, runDirectory(dirs, storeErr), subordinateIDs())
	report = append(report, cgroups()...)
	return append(report, filter(), limits(), ports(), ping(), ipv6(), names("/etc/resolv.conf"), Lingering(), manager(ctx))
}

// leastKernel is the first that has all of what cannot be done without: overlayfs
// in user namespaces is of 5.11, mounts that are changed recursively of 5.12.
const leastKernel = "5.13"

func kernel(release string) Row {
	r := Row{Name: "kernel", Needed: true, Remedy: "a newer kernel"}
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
	r := Row{Name: "store", Needed: true, Remedy: "use a directory of yours on a local file system: --root, or CORACLE_ROOT"}
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

// sharedStores are those that are named, if any is.
func sharedStores() (r Row, named bool) {
	stores, errs := overlay.SharedStores()
	var found []string
	for _, s := range stores {
		found = append(found, fmt.Sprintf("%s (images: %d)", s.Dir, len(s.Images)))
	}
	r = Row{Name: "shared stores"}.present(strings.Join(found, ", "))
	if len(errs) > 0 {
		r.State, r.Lost, r.Instead, r.Remedy = Partly, "the images of a store that cannot be read", "images are pulled", hint.Of(errs[0])
		r.Found = errors.Join(errs...).Error()
	}
	return r, len(stores)+len(errs) > 0
}

func runDirectory(d state.Dirs, err error) Row {
	r := Row{Name: "run directory"}
	if err != nil {
		r.State, r.Found = Unknown, "there is no store"
		return r
	}
	if x := os.Getenv("XDG_RUNTIME_DIR"); x == "" || !strings.HasPrefix(d.Run, x+"/") {
		return Row{Name: r.Name, State: Partly, Found: d.Run, Instead: "a directory of yours in the temporary space", Remedy: "log in through pam_systemd, or set XDG_RUNTIME_DIR to a directory of yours with mode 0700"}
	}
	return r.present(d.Run)
}

func subordinateIDs() Row {
	r := Row{Name: "subordinate ids", Lost: "owners other than root in containers, to the kernel", Instead: "one id: owners that a program sets are accepted and not kept"}
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
	const remedy = "a login with systemd 244 or later on cgroup v2; for all controllers: Delegate=cpu cpuset io memory pids in a drop-in of user@.service"
	names, delegated := cgroup.Available()
	group := Row{Name: "cgroup", Lost: "pause, and limits that are the cgroup's alone", Instead: "limits by rlimits and watching, where there are any", Remedy: remedy}
	if !delegated {
		group.State, group.Found = Partly, "no cgroup v2 is delegated to you"
		return []Row{group}
	}
	var missing []string
	for _, c := range []string{"cpu", "cpuset", "io", "memory", "pids"} {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+c+" ") {
			missing = append(missing, c)
		}
	}
	list := []Row{group.present("delegated")}
	controllers := Row{Name: "cgroup controllers", Found: "without " + strings.Join(missing, ", "), State: Partly, Lost: "the limits of these", Remedy: remedy}
	if len(missing) == 0 {
		controllers = controllers.present(strings.Join(names, " "))
	}
	return append(list, controllers)
}

func filter() Row {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err == nil && mode == unix.SECCOMP_MODE_FILTER {
		return Row{Name: "seccomp around", State: Partly, Found: "a filter of a container or a unit is on this process", Lost: "whatever it refuses: see the rows that are not there",
			Remedy: "for the container around: --security-opt seccomp=unconfined --security-opt systempaths=unconfined"}
	}
	return Row{Name: "seccomp around"}.present("no filter")
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
		return Row{Name: "limits"}.present("not low")
	}
	return Row{Name: "limits", State: Partly, Found: strings.Join(low, ", "), Lost: "containers with more than that", Remedy: "limits.conf(5), or Limit…= of the unit"}
}

func ports() Row {
	start := ns.Sysctl("net/ipv4/ip_unprivileged_port_start")
	n, err := strconv.Atoi(start)
	r := Row{Name: "low ports", Lost: "publishing ports below " + start, Remedy: "sysctl net.ipv4.ip_unprivileged_port_start=0"}
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
	r := Row{Name: "ping", Lost: "ping of the world from a container", Remedy: `sysctl net.ipv4.ping_group_range="0 2147483647"`}
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
		return Row{Name: "IPv6", State: Partly, Found: err.Error(), Lost: "IPv6 in and out of containers", Instead: "IPv4"}
	}
	unix.Close(fd)
	if ns.Sysctl("net/ipv6/conf/all/disable_ipv6") == "1" {
		return Row{Name: "IPv6", State: Partly, Found: "net.ipv6.conf.all.disable_ipv6 is 1", Lost: "IPv6 in and out of containers", Instead: "IPv4", Remedy: "sysctl net.ipv6.conf.all.disable_ipv6=0"}
	}
	return Row{Name: "IPv6"}.present("sockets")
}

// names looks for a name server as containers are given one.
func names(resolvConf string) Row {
	r := Row{Name: "name servers", Lost: "names, in containers that have no --dns", Remedy: "nameserver lines in " + resolvConf}
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
	r := Row{Name: "lingering", Lost: "containers when you log out for the last time, and units of yours at boot", Remedy: "loginctl enable-linger " + account()}
	if _, err := os.Stat(systemd); err != nil {
		return Row{Name: r.Name}.present("not needed: no systemd")
	}
	if _, err := os.Stat(filepath.Join(users, account())); err != nil && os.Geteuid() != 0 {
		r.State, r.Found = Partly, "off"
		return r
	}
	return r.present("on")
}
