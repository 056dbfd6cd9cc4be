// SPDX-License-Identifier: Apache-2.0

// Command vm boots a machine under qemu, once for each boot of test/machine, on one
// copy of a disk, and prints what its tests say. It ends with 1 when one fails.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A boot is one start of the machine.
type boot struct {
	name   string
	kernel string // more of its command line
	cut    bool   // ends without power, when the tests say so
}

var boots = []boot{
	{name: "services"},
	{name: "back", cut: true},
	{name: "cut"},
	{name: "legacy", kernel: "systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"},
}

// mayCut is the line after which the power may go.
const mayCut = "the power may go now"

// longest is how long one boot may take.
const longest = 100 * time.Minute

type machine struct {
	image, kit, disk string
	console          string // what the kernel and systemd say goes to this file
	tests            string
}

func main() {
	image := flag.String("image", "", "directory of disk, vmlinuz and initrd")
	kit := flag.String("kit", "", "disk with what is tested")
	work := flag.String("work", "", "directory for what is written")
	names := flag.String("boots", "", "boots, separated by commas; all of them without")
	tests := flag.String("tests", "", "expression of the tests' names")
	shell := flag.Bool("shell", false, "end in a shell of the machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m := &machine{image: *image, kit: *kit, disk: filepath.Join(*work, "disk"), console: filepath.Join(*work, "console"), tests: *tests}
	began := time.Now()
	err := m.run(ctx, *names)
	if *shell && ctx.Err() == nil {
		err = errors.Join(err, m.shell(ctx))
	}
	fmt.Printf("%s in all\n", time.Since(began).Round(time.Second))
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(1)
	}
}

func (m *machine) run(ctx context.Context, names string) error {
	if out, err := exec.Command("cp", "--sparse=always", "--reflink=auto", filepath.Join(m.image, "disk"), m.disk).CombinedOutput(); err != nil {
		return fmt.Errorf("copy disk: %w: %s", err, out)
	}
	for name := range strings.SplitSeq(names, ",") {
		if name != "" && !slices.ContainsFunc(boots, func(b boot) bool { return b.name == name }) {
			return fmt.Errorf("there is no boot %q", name)
		}
	}
	var errs []error
	for _, b := range boots {
		if names != "" && !strings.Contains(","+names+",", ","+b.name+",") {
			continue
		}
		began := time.Now()
		err := m.boot(ctx, b)
		result := "passed"
		if err != nil {
			errs, result = append(errs, fmt.Errorf("boot %s: %w", b.name, err)), "failed"
		}
		fmt.Printf("boot %s: %s in %s\n", b.name, result, time.Since(began).Round(time.Second))
	}
	return errors.Join(errs...)
}

// command is qemu. The first serial line is the console, the second is where tests
// say what they do.
func (m *machine) command(ctx context.Context, kernel string, more ...string) *exec.Cmd {
	args := []string{
		"-n", "10", "qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "2048",
		"-nodefaults", "-no-reboot", "-display", "none", "-device", "virtio-rng-pci",
		"-kernel", filepath.Join(m.image, "vmlinuz"), "-initrd", filepath.Join(m.image, "initrd"),
		"-append", "root=/dev/vda rw console=ttyS0 quiet apparmor=1 security=apparmor " + kernel,
		"-drive", "if=virtio,format=raw,cache=writeback,file=" + m.disk,
	}
	if hasKVM() {
		args = append(args, "-accel", "kvm")
	}
	return exec.CommandContext(ctx, "nice", append(append(args, "-accel", "tcg,thread=multi"), more...)...)
}

// hasKVM reports whether processors can be lent: there are hosts with the device
// that hang in it.
func hasKVM() bool {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	return regexp.MustCompile(`(?m)^flags\s*:.* (vmx|svm)( |$)`).Match(cpu)
}

// boot starts the machine for the tests of a boot, and waits for its end.
func (m *machine) boot(ctx context.Context, b boot) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	cmd := m.command(ctx, fmt.Sprintf("coracle.boot=%s coracle.tests=%s %s", b.name, m.tests, b.kernel),
		"-drive", "if=virtio,format=raw,readonly=on,file="+m.kit, "-serial", "file:"+m.console, "-chardev", "stdio,id=out,signal=off", "-serial", "chardev:out")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	ended, cut := follow(out, b.cut, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	switch {
	case cut:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w%s", ctx.Err(), m.said())
	case ended == "":
		return fmt.Errorf("the machine ended before its tests did (%v)%s", err, m.said())
	case ended != "0":
		return errors.New("tests failed")
	case b.cut:
		return errors.New("the power was not cut")
	}
	return nil
}

// follow prints what tests say. It returns what they ended with, and whether the
// power was cut.
func follow(out io.Reader, mayBeCut bool, cut func()) (ended string, wasCut bool) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if line == mayCut && mayBeCut {
			cut()
			return "", true
		}
		if code, found := strings.CutPrefix(line, "ended with "); found {
			ended = code
			continue
		}
		fmt.Println(line)
	}
	return ended, false
}

// said is the end of what the console has.
func (m *machine) said() string {
	text, _ := os.ReadFile(m.console)
	return "; the console's last words:\n" + string(text[max(0, len(text)-2000):])
}

// shell is the machine's console on this terminal.
func (m *machine) shell(ctx context.Context) error {
	cmd := m.command(ctx, "", "-serial", "mon:stdio")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
