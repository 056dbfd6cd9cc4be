// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// exec is the beginning of a command that runs in a container.
func (n *netBench) exec(container string) []string {
	return []string{filepath.Join(n.dir, "coracle"), "exec", container}
}

// output runs a command and returns what it prints. The error is in its words.
func (n *netBench) output(in []string, args ...string) (string, error) {
	out, err := n.command(append(in[:len(in):len(in)], args...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", errors.New(lastLine(append(exit.Stderr, out...), err))
	}
	return string(out), err
}

// iperf returns the fields of the line that says what was received.
func (n *netBench) iperf(in []string, args ...string) ([]string, error) {
	program := "iperf3"
	if len(in) > 1 && in[1] == "exec" {
		program = "/usr/bin/iperf3"
	}
	out, err := n.output(in, append([]string{program, "-f", "g"}, args...)...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "receiver") {
			return strings.Fields(line), nil
		}
	}
	return nil, errors.New("iperf3 says nothing: " + lastLine([]byte(out), nil))
}

// load returns the numbers that netload prints.
func (n *netBench) load(in []string, args ...string) ([]float64, error) {
	program, command := n.netload(), "load"
	if len(in) > 0 {
		program = "/bench/netload"
	}
	if args[0] == "ask" {
		command, args = args[0], args[1:]
	}
	out, err := n.output(in, append([]string{program, command}, args...)...)
	if err != nil {
		return nil, err
	}
	var list []float64
	for _, f := range strings.Fields(out) {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (n *netBench) seconds() string { return strconv.Itoa(int(n.time.Seconds())) }

// throughput is iperf3's, with what processors have done for it: of the
// supervisors, and of the machine, with both ends and the kernel.
func (n *netBench) throughput() {
	units := []string{"%.1f Gbit/s", "%.2f s/GB of all processors"}
	with := append(units, "%.2f s/GB of supervisors")
	run := func(name string, in []string, pids []int, args ...string) {
		columns := with
		if pids == nil {
			columns = units
		}
		n.add("iperf3, 1 connection", name, columns, func() ([]float64, error) { return n.cost(in, pids, args...) })
	}
	run("host's loopback", nil, nil, "-c", "127.0.0.1", "-p", n.ports["iperf"])
	run("out of a container", n.exec("one"), []int{n.one}, "-c", n.host, "-p", n.ports["iperf"])
	run("into a container", n.exec("one"), []int{n.one}, "-c", n.host, "-p", n.ports["iperf"], "-R")
	run("published port, in", nil, []int{n.server}, "-c", "127.0.0.1", "-p", n.ports["published iperf"])
	run("published port, out", nil, []int{n.server}, "-c", "127.0.0.1", "-p", n.ports["published iperf"], "-R")
	run("between two containers", n.exec("other"), []int{n.other, n.server}, "-c", "server", "-p", "5301")
}

func (n *netBench) cost(in []string, pids []int, args ...string) ([]float64, error) {
	before, err := processors(pids)
	if err != nil {
		return nil, err
	}
	f, err := n.iperf(in, append([]string{"-t", n.seconds()}, args...)...)
	if err != nil {
		return nil, err
	}
	after, err := processors(pids)
	if err != nil || len(f) < 7 {
		return nil, errors.Join(err, errors.New("iperf3: "+strings.Join(f, " ")))
	}
	gbits, err := strconv.ParseFloat(f[6], 64)
	if err != nil {
		return nil, err
	}
	values := []float64{gbits}
	for i := range after {
		values = append(values, (after[i]-before[i])/(gbits/8*n.time.Seconds()))
	}
	return values, nil
}

// processors returns the seconds that all processors were busy and, if there are
// any, those that processes have used (proc(5)).
func processors(pids []int) ([]float64, error) {
	const ticks = 100 // in a second, for programs (times(2))
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, err
	}
	sum := func(fields []string) (total float64) {
		for _, f := range fields {
			v, _ := strconv.ParseFloat(f, 64)
			total += v / ticks
		}
		return total
	}
	f := strings.Fields(string(data)) // cpu user nice system idle iowait irq softirq steal
	list := []float64{sum(f[1:4]) + sum(f[6:8])}
	if len(pids) == 0 {
		return list, nil
	}
	used := 0.0
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return nil, err
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		used += sum(strings.Fields(rest)[11:13])
	}
	return append(list, used), nil
}

// requests are small ones, of 16 clients, and of one beside a download.
func (n *netBench) requests() {
	outside, published := n.host+":"+n.ports["requests"], "127.0.0.1:"+n.ports["published requests"]
	ways := []struct {
		name string
		in   []string
		addr string
	}{
		{"host's loopback", nil, "127.0.0.1:" + n.ports["requests"]},
		{"published port", nil, published},
		{"out of a container", n.exec("one"), outside},
	}
	for _, kind := range requestKinds {
		for _, w := range ways {
			n.addRequests(kind, w.name, w.in, w.addr)
		}
	}
}

type requestKind struct {
	row   string
	unit  string
	flags []string
}

var requestKinds = []requestKind{
	{"16 clients, kept alive", "%.0f requests/s", nil},
	{"16 clients, a connection each", "%.0f connections/s", []string{"-new"}},
	{"1 client beside a download", "%.0f requests/s", []string{"-c", "1", "-bulk"}},
}

func (n *netBench) addRequests(kind requestKind, name string, in []string, addr string) {
	units := []string{kind.unit, "p50 %.2f ms", "p99 %.2f ms"}
	if kind.flags != nil && kind.flags[0] == "-c" {
		units = append(units, "the download %.1f Gbit/s")
	}
	args := append(append([]string{"-t", n.time.String()}, kind.flags...), addr)
	n.add(kind.row, name, units, func() ([]float64, error) { return n.load(in, args...) })
}

// datagrams that arrive count.
func (n *netBench) datagrams() {
	run := func(name string, in []string, args ...string) {
		n.add("UDP, 500 Mbit/s of 1400 bytes", name, []string{"%.0f datagrams/s", "%.1f %% lost"}, func() ([]float64, error) {
			f, err := n.iperf(in, append([]string{"-u", "-b", "500M", "-l", "1400", "-t", n.seconds()}, args...)...)
			if err != nil {
				return nil, err
			}
			var lost, sent int
			if len(f) < 11 {
				return nil, errors.New("iperf3: " + strings.Join(f, " "))
			}
			if _, err := fmt.Sscanf(f[10], "%d/%d", &lost, &sent); err != nil {
				return nil, err
			}
			return []float64{float64(sent-lost) / n.time.Seconds(), 100 * float64(lost) / float64(max(sent, 1))}, nil
		})
	}
	run("host's loopback", nil, "-c", "127.0.0.1", "-p", n.ports["iperf"])
	run("published port", nil, "-c", "127.0.0.1", "-p", n.ports["published iperf"])
	run("out of a container", n.exec("one"), "-c", n.host, "-p", n.ports["iperf"])
}

// questions are for a name server of our own, and for the name of a member.
func (n *netBench) questions() {
	units := []string{"%.0f questions/s", "p50 %.2f ms", "p99 %.2f ms"}
	ask := func(name string, in []string, asked, server string) {
		n.add("DNS, 16 clients", name, units, func() ([]float64, error) {
			return n.load(in, "ask", "-t", n.time.String(), asked, server)
		})
	}
	if n.names != "" {
		ask("the host's server itself", nil, "a.example", n.names)
		ask("the same through 10.0.2.3", n.exec("one"), "a.example", "10.0.2.3:53")
	} else {
		n.add("DNS, 16 clients", "through 10.0.2.3", units, func() ([]float64, error) {
			return nil, errors.New("only root can give the measurement a name server of its own")
		})
	}
	out, err := n.output(n.exec("other"), "cat", "/etc/resolv.conf")
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); err == nil && len(f) == 2 && f[0] == "nameserver" {
			ask("the name of another container", n.exec("other"), "server", f[1]+":53")
			return
		}
	}
}

// memory is what the engine has in memory for a container that sleeps (proc(5)).
func (n *netBench) memory() {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", n.one))
	if err != nil {
		fmt.Fprintf(n.table, "idle container\tits supervisor\tfails here: %v\n", err)
		return
	}
	report := func(what string, kib int) { fmt.Fprintf(n.table, "%s\t%.1f MiB\n", what, float64(kib)/1024) }
	report("idle container\tPss of its supervisor, beside two others", kibibytes(data, "Pss: %d kB"))
	report("\tof that, anonymous", kibibytes(data, "Pss_Anon: %d kB"))
}

func kibibytes(data []byte, format string) (kib int) {
	for line := range strings.Lines(string(data)) {
		if m, _ := fmt.Sscanf(line, format, &kib); m == 1 {
			return kib
		}
	}
	return 0
}

func lastLine(out []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" || err == nil {
		return last
	}
	return err.Error()
}
