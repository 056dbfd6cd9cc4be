// SPDX-License-Identifier: Apache-2.0

// Command compare measures coracle beside other programs; hack/bench calls it.
// All variants of a row run in alternation, so that whatever else the machine
// does falls on all of them alike.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	b := bench{}
	flag.StringVar(&b.dir, "dir", "", "directory with coracle, nothing and busybox.tar")
	flag.StringVar(&b.home, "home", "", "an empty directory of the user's")
	flag.StringVar(&b.names, "names", "", "the address of a name server that was started for the measurement")
	who := flag.String("user", "", "who runs everything; only for root")
	seconds := flag.Int("t", 3, "seconds of each measurement of the network")
	flag.IntVar(&b.rounds, "n", 20, "rounds")
	flag.Parse()
	b.table = tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	err := b.become(*who)
	switch {
	case err != nil:
	case flag.Arg(0) == "net":
		err = b.network(*seconds)
	default:
		err = b.run(flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

type bench struct {
	dir, home string
	names     string
	rounds    int
	user      *syscall.Credential
	table     *tabwriter.Writer
	missed    bool // an aim
}

// become has another user run all commands.
func (b *bench) become(name string) error {
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	b.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return err
}

// variant is one way to do what a row measures.
type variant struct {
	name string
	args []string
	skip bool
}

// row is one thing to measure. Ratios are to the second variant.
type row struct {
	name     string
	variants []variant
}

func (b *bench) run(only []string) error {
	if err := b.prepare(); err != nil {
		return err
	}
	defer b.coracle("rm", "-f", "box")
	if have("podman") {
		defer b.command("podman", "rm", "-f", "-t", "0", "box").Run()
	}
	if have("crun") {
		defer b.command("crun", "--root", filepath.Join(b.home, "crun"), "delete", "-f", "box").Run()
	}
	fmt.Fprintln(b.table, "row\tprogram\tmedian\tfastest\tcoracle is")
	for _, r := range b.rows() {
		if len(only) > 0 && !slices.Contains(only, r.name) {
			continue
		}
		if err := b.measure(r); err != nil {
			return err
		}
	}
	if len(only) == 0 || slices.Contains(only, "compose") {
		if err := b.compose(); err != nil {
			return err
		}
	}
	if len(only) == 0 || slices.Contains(only, "starting") {
		if err := b.starting(); err != nil {
			return err
		}
	}
	if len(only) == 0 || slices.Contains(only, "keep-id") {
		if err := b.keepID(); err != nil {
			return err
		}
	}
	if len(only) == 0 || slices.Contains(only, "memory") {
		if err := b.memory(); err != nil {
			return err
		}
	}
	if err := b.table.Flush(); err != nil || !b.missed {
		return err
	}
	_, err := fmt.Println("\nWhy aims are not reached: docs/benchmarks.md, What a start costs.")
	return err
}

func (b *bench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = b.home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.user}
	cmd.Env = append(os.Environ(), "HOME="+b.home, "CORACLE_ROOT="+filepath.Join(b.home, "root"), "XDG_RUNTIME_DIR=", "XDG_DATA_HOME="+filepath.Join(b.home, "data"))
	return cmd
}

func (b *bench) coracle(args ...string) error {
	out, err := b.command(append([]string{filepath.Join(b.dir, "coracle")}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("coracle %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// prepare makes the same small root file system known to everybody.
func (b *bench) prepare() error {
	tar := filepath.Join(b.dir, "busybox.tar")
	context := filepath.Join(b.home, "context")
	if err := errors.Join(
		b.coracle("import", tar, "busybox"),
		b.coracle("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100000"),
		os.Mkdir(context, 0o755),
		os.WriteFile(filepath.Join(context, "Dockerfile"), []byte("FROM localhost/busybox\nRUN echo a > /a\nCOPY Dockerfile /x\nRUN echo b > /b\n"), 0o644),
		b.coracle("tag", "busybox", "localhost/busybox"),
		b.coracle("build", "-q", "--network", "none", context),
	); err != nil {
		return err
	}
	if have("podman") {
		_ = b.command("podman", "import", tar, "busybox").Run()
		_ = b.command("podman", "run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100000").Run()
	}
	if !have("crun") {
		return nil
	}
	rootfs := filepath.Join(b.home, "bundle", "rootfs")
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		return err
	}
	if err := b.command("tar", "-xf", tar, "-C", rootfs).Run(); err != nil {
		return err
	}
	cmd := b.command("crun", "spec", "--rootless")
	cmd.Dir = filepath.Dir(rootfs)
	if err := cmd.Run(); err != nil {
		return err
	}
	if err := editSpec(filepath.Join(filepath.Dir(rootfs), "config.json"), "/bin/sleep", "100000"); err != nil {
		return err
	}
	// One that stays, to exec in. It keeps no output of ours open.
	cmd = b.command("crun", "--root", filepath.Join(b.home, "crun"), "--cgroup-manager=disabled", "run", "-d", "-b", filepath.Dir(rootfs), "box")
	_ = cmd.Run() // where it fails, so does its row, which says so
	return editSpec(filepath.Join(filepath.Dir(rootfs), "config.json"), "/bin/true")
}

// editSpec lets the bundle run a command, without a terminal.
func editSpec(file string, command ...string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec map[string]any
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	process, ok := spec["process"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: no process", file)
	}
	process["terminal"], process["args"] = false, command
	if data, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func have(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func (b *bench) rows() []row {
	coracle := filepath.Join(b.dir, "coracle")
	rootfs := filepath.Join(b.home, "bundle", "rootfs")
	context := filepath.Join(b.home, "context")
	nothing := variant{emptyProgram, []string{filepath.Join(b.dir, "nothing")}, false}
	podman, crun, bwrap := !have("podman"), !have("crun"), !have("bwrap") || !have("crun")
	return []row{
		{"version", []variant{
			{"coracle version", []string{coracle, "version"}, false},
			nothing,
		}},
		{"run", []variant{
			{"coracle run --rm --network none", []string{coracle, "run", "--rm", "--network", "none", "busybox", "true"}, false},
			{"crun run", []string{"crun", "--root", filepath.Join(b.home, "crun"), "--cgroup-manager=disabled", "run", "-b", filepath.Join(b.home, "bundle"), "bench"}, crun},
			{"bwrap", []string{"bwrap", "--unshare-all", "--bind", rootfs, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"}, bwrap},
			{"podman run --rm --network none", []string{"podman", "run", "--rm", "--network", "none", "busybox", "true"}, podman},
		}},
		{"run-net", []variant{
			{"coracle run --rm", []string{coracle, "run", "--rm", "busybox", "true"}, false},
			{"podman run --rm", []string{"podman", "run", "--rm", "busybox", "true"}, podman},
		}},
		{"exec", []variant{
			{"coracle exec", []string{coracle, "exec", "box", "true"}, false},
			{"crun exec", []string{"crun", "--root", filepath.Join(b.home, "crun"), "--cgroup-manager=disabled", "exec", "box", "/bin/true"}, crun},
			{"podman exec", []string{"podman", "exec", "box", "true"}, podman},
		}},
		{"oci", []variant{
			{"coracle oci run", []string{coracle, "oci", "--root", filepath.Join(b.home, "oci"), "run", "-b", filepath.Join(b.home, "bundle"), "bench"}, crun},
			{"crun run", []string{"crun", "--root", filepath.Join(b.home, "crun"), "--cgroup-manager=disabled", "run", "-b", filepath.Join(b.home, "bundle"), "bench"}, crun},
		}},
		{"detached", []variant{
			{"coracle run -d, rm -f", shell(coracle + " run -d --name dd --network none busybox sleep 1000 && " + coracle + " rm -f dd"), false},
			{"podman run -d, rm -f", shell("podman run -d --name dd --network none busybox sleep 1000 && podman rm -f -t 0 dd"), podman},
		}},
		{"fifty", []variant{
			{"coracle: 50 of run -d, one rm -f of all", shell(fifty(coracle, "")), false},
			{"podman: 50 of run -d, one rm -f of all", shell(fifty("podman", "-t 0")), podman},
		}},
		{"parallel", []variant{
			{"coracle: 32 of run --rm, 8 at a time", shell(eightAtOnce(coracle + " run --rm --network none busybox true")), false},
			{"podman: 32 of run --rm, 8 at a time", shell(eightAtOnce("podman run --rm --network none busybox true")), podman},
			{crunParallel, shell(eightAtOnce("crun --root " + b.home + "/crun --cgroup-manager=disabled run -b " + b.home + "/bundle p$i-$j")), crun},
		}},
		{"ps", []variant{
			{"coracle ps", []string{coracle, "ps"}, false},
			nothing,
			{"podman ps", []string{"podman", "ps"}, podman},
		}},
		{"images", []variant{
			{"coracle images", []string{coracle, "images"}, false},
			nothing,
			{"podman images", []string{"podman", "images"}, podman},
		}},
		{"build-cached", []variant{
			{"coracle build", []string{coracle, "build", "-q", "--network", "none", context}, false},
			{"buildah bud --layers", []string{"buildah", "bud", "-q", "--layers", "--network", "none", context}, !have("buildah")},
		}},
	}
}

func shell(script string) []string { return []string{"sh", "-ec", script} }

func eightAtOnce(command string) string {
	return "for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4; do " + command + "; done) & done; wait"
}

func fifty(program, force string) string {
	return "for i in $(seq 50); do " + program + " run -d --name f$i --network none busybox sleep 1000; done; " +
		program + " rm -f " + force + " $(seq -f f%g 50)"
}

// memory prints what the engine has in memory for an idle container beside the
// program itself, whose pages all supervisors share.
func (b *bench) memory() error {
	for _, network := range []string{"none", "bridge"} {
		name := "idle-" + network
		if err := b.coracle("run", "-d", "--name", name, "--network", network, "busybox", "sleep", "100000"); err != nil {
			return err
		}
		bytes, err := settled(func() (int64, error) { return resident("coracle-supervise", b.home) })
		if err != nil {
			return err
		}
		fmt.Fprintf(b.table, "memory\tcoracle, network %s\t%.1f MiB\n", network, float64(bytes)/(1<<20))
		if err := b.coracle("rm", "-f", name); err != nil {
			return err
		}
	}
	return nil
}

// settled is what is read twenty times in a row, within a second: a supervisor
// goes on working when the command that started it has ended.
func settled(read func() (int64, error)) (value int64, err error) {
	for same := 0; same < 20; same++ {
		now, err := read()
		if err != nil {
			return 0, err
		}
		if now != value {
			value, same = now, 0
		}
		time.Sleep(50 * time.Millisecond)
	}
	return value, nil
}

// resident is the anonymous memory of the youngest process of that name whose
// command line mentions a path: a supervisor may not be looked into further.
func resident(name, path string) (int64, error) {
	found := 0
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		args, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		if strings.HasPrefix(string(args), name) && strings.Contains(string(args), path) && pid > found {
			found = pid
		}
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", found))
	if err != nil {
		return 0, fmt.Errorf("read memory of %s: %w", name, err)
	}
	for line := range strings.Lines(string(data)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("read memory of %s: no RssAnon", name)
}

// timed is what one program took, in each round.
type timed struct {
	name   string
	took   []time.Duration
	failed string // why it has nothing to show
}

// run is one more round, unless one has failed; which counts, or is to warm up.
func (t *timed) run(b *bench, args []string, counts bool) {
	if t.failed != "" {
		return
	}
	cmd := b.command(args...)
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	switch {
	case err != nil:
		t.failed = firstLine(out, err)
	case counts:
		t.took = append(t.took, took)
	}
}

// measure runs all variants of a row in turn and prints a line for each.
func (b *bench) measure(r row) error {
	variants := slices.DeleteFunc(r.variants, func(v variant) bool { return v.skip })
	var list []*timed
	for _, v := range variants {
		list = append(list, &timed{name: v.name})
	}
	for round := range b.rounds + 1 { // the first is to warm up
		for i, v := range variants {
			list[i].run(b, v.args, round > 0)
		}
	}
	return b.print(r.name, list)
}

// print prints a row. The first of a list is ours, and what the others are compared
// with.
func (b *bench) print(row string, list []*timed) error {
	for i, t := range list {
		if t.failed != "" && i == 0 {
			return fmt.Errorf("%s: %s", t.name, t.failed)
		}
		if t.failed != "" {
			fmt.Fprintf(b.table, "%s\t%s\tfails here: %s\n", row, t.name, t.failed)
			continue
		}
		slices.Sort(t.took)
		ratio := ""
		if i > 0 {
			times := float64(median(list[0].took)) / float64(median(t.took))
			ratio = fmt.Sprintf("%.2f times this%s", times, b.aimed(row, t.name, times))
		}
		fmt.Fprintf(b.table, "%s\t%s\t%s\t%s\t%s\n", row, t.name, ms(median(t.took)), ms(t.took[0]), ratio)
	}
	return nil
}

func firstLine(out []byte, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if line == "" {
		line = err.Error()
	}
	return line
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
