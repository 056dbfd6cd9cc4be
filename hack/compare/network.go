// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// netBench measures the network: the host's loopback, the ways into and out of
// containers, and other programs that can be started.
type netBench struct {
	*bench
	time  time.Duration // of one measurement
	host  string        // an address of the host that containers reach
	ports map[string]string
	stop  []func()
	// The supervisors of three containers: one is on the default network, the
	// other two are on one with a name.
	one, server, other int
	series             []*series
}

// series is one way to do what a row measures. Its first value is the one that
// matters.
type series struct {
	row, name string
	units     []string // as "%.1f Gbit/s", one for each value
	measure   func() ([]float64, error)
	values    [][]float64 // by round
	failed    string
}

func (b *bench) network(seconds int) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer cancel()
	n := &netBench{bench: b, time: time.Duration(seconds) * time.Second, ports: map[string]string{}}
	defer func() {
		for _, f := range slices.Backward(n.stop) {
			f()
		}
	}()
	if err := n.start(); err != nil {
		return err
	}
	n.throughput()
	n.requests()
	n.datagrams()
	n.questions()
	n.peers()
	fmt.Fprintln(b.table, "row\tway\tmedian\tlowest to highest\t")
	n.memory()
	for range max(b.rounds, 1) {
		for _, s := range n.series {
			if s.failed != "" {
				continue
			}
			values, err := s.measure()
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				s.failed = err.Error()
				continue
			}
			s.values = append(s.values, values)
		}
	}
	for i, s := range n.series {
		if i > 0 && s.row == n.series[i-1].row {
			s.print(n, "")
		} else {
			s.print(n, s.row)
		}
	}
	return b.table.Flush()
}

func (s *series) print(n *netBench, row string) {
	if s.failed != "" {
		fmt.Fprintf(n.table, "%s\t%s\tfails here: %s\n", row, s.name, s.failed)
		return
	}
	var medians []string
	var first []float64
	for i, unit := range s.units {
		var all []float64
		for _, v := range s.values {
			all = append(all, v[i])
		}
		slices.Sort(all)
		medians = append(medians, fmt.Sprintf(unit, all[len(all)/2]))
		if i == 0 {
			first = all
		}
	}
	number, _, _ := strings.Cut(s.units[0], " ")
	fmt.Fprintf(n.table, "%s\t%s\t%s\t"+number+" to "+number+"\n", row, s.name, strings.Join(medians, ", "), first[0], first[len(first)-1])
}

func (n *netBench) add(row, name string, units []string, measure func() ([]float64, error)) {
	n.series = append(n.series, &series{row: row, name: name, units: units, measure: measure})
}

// port gives a name to a port of the host that is free.
func (n *netBench) port(name string) (string, error) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	n.ports[name] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	return n.ports[name], nil
}

// start starts the servers on the host and in containers.
func (n *netBench) start() error {
	for _, name := range []string{"iperf", "requests", "published iperf", "published requests"} {
		if _, err := n.port(name); err != nil {
			return err
		}
	}
	if n.host = hostAddress(); n.host == "" {
		return errors.New("this host has no address but its loopback's")
	}
	mounts := append(n.mounts(), "busybox")
	n.stop = append(n.stop, func() {
		_ = n.coracle("rm", "-f", "one", "server", "other")
		_ = n.coracle("network", "rm", "between")
	})
	if err := errors.Join(
		n.background("iperf3", "-s", "-p", n.ports["iperf"]),
		n.background(n.netload(), "serve", ":"+n.ports["requests"]),
		n.coracle("import", filepath.Join(n.dir, "busybox.tar"), "busybox"),
		n.coracle(append(append([]string{"run", "-d", "--name", "one"}, mounts...), "sleep", "100000")...),
		n.coracle("network", "create", "between"),
		n.coracle(append(append([]string{"run", "-d", "--name", "other", "--network", "between"}, mounts...), "sleep", "100000")...),
		n.coracle(append(append([]string{"run", "-d", "--name", "server", "--network", "between",
			"-p", n.ports["published iperf"] + ":5301", "-p", n.ports["published iperf"] + ":5301/udp",
			"-p", n.ports["published requests"] + ":80"}, mounts...),
			"sh", "-c", "/bench/netload serve :80 & exec /usr/bin/iperf3 -s -p 5301")...),
	); err != nil {
		return err
	}
	for _, name := range []string{"requests", "published requests"} {
		if err := n.answers(n.ports[name], nil); err != nil {
			return err
		}
	}
	for _, name := range []string{"iperf", "published iperf"} {
		if err := n.until(nil, func() error {
			_, err := n.iperf(nil, "-t", "1", "-c", "127.0.0.1", "-p", n.ports[name])
			return err
		}); err != nil {
			return err
		}
	}
	return errors.Join(n.supervisor("one", &n.one), n.supervisor("server", &n.server), n.supervisor("other", &n.other))
}

// mounts let a container run the host's iperf3 and netload.
func (n *netBench) mounts() []string {
	list := []string{"-v", n.dir + ":/bench:ro"}
	for _, dir := range []string{"/usr", "/lib", "/lib64"} {
		if _, err := os.Stat(dir); err == nil {
			list = append(list, "-v", dir+":"+dir+":ro")
		}
	}
	return list
}

func hostAddress() string {
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if p, ok := a.(*net.IPNet); ok && p.IP.To4() != nil && p.IP.IsGlobalUnicast() {
			return p.IP.String()
		}
	}
	return ""
}

func (n *netBench) netload() string { return filepath.Join(n.dir, "netload") }

// background starts a program that ends with the measurement.
func (n *netBench) background(args ...string) error {
	cmd := n.command(args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	n.stop = append(n.stop, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return nil
}

// answers waits until requests to a port of the host are answered, or until
// what was to listen there has ended.
func (n *netBench) answers(port string, ended <-chan struct{}) error {
	return n.until(ended, func() error {
		_, err := n.load(nil, "-t", "10ms", "-c", "1", "127.0.0.1:"+port)
		return err
	})
}

func (n *netBench) until(ended <-chan struct{}, f func() error) error {
	const patience = 20 * time.Second
	for begin := time.Now(); ; {
		err := f()
		if err == nil || time.Since(begin) > patience {
			return err
		}
		select {
		case <-ended:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// supervisor finds the process that carries a container's network.
func (n *netBench) supervisor(container string, pid *int) error {
	out, err := n.command(filepath.Join(n.dir, "coracle"), "inspect", "-f", "{{.State.Pid}}", container).Output()
	if err != nil {
		return fmt.Errorf("find supervisor of %s: %w", container, err)
	}
	status, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(out)), "status"))
	if err != nil {
		return fmt.Errorf("find supervisor of %s: %w", container, err)
	}
	for line := range strings.Lines(string(status)) {
		if m, _ := fmt.Sscanf(line, "PPid: %d", pid); m == 1 {
			return nil
		}
	}
	return fmt.Errorf("find supervisor of %s: no parent", container)
}
