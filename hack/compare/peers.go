// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// peers are other user-mode networks. They need /dev/net/tun.
func (n *netBench) peers() {
	var installed []string
	for _, p := range []string{"pasta", "slirp4netns", "rootlesskit"} {
		if have(p) {
			installed = append(installed, p)
		}
	}
	if len(installed) == 0 {
		return
	}
	if err := n.command("sh", "-c", ": <>/dev/net/tun").Run(); err != nil {
		n.add("others", strings.Join(installed, ", "), nil, func() ([]float64, error) {
			return nil, errors.New("/dev/net/tun is closed")
		})
		return
	}
	if have("pasta") {
		n.pasta()
	}
	if have("slirp4netns") {
		n.slirp4netns()
	}
	if have("rootlesskit") && have("slirp4netns") {
		n.rootlesskit()
	}
}

// peerSpeed adds the throughput of a command's network, both ways.
func (n *netBench) peerSpeed(name string, in []string, host string) {
	for _, reverse := range []bool{false, true} {
		way, args := "out", []string{"-c", host, "-p", n.ports["iperf"]}
		if reverse {
			way, args = "in", append(args, "-R")
		}
		n.add("iperf3, other networks", name+", "+way, []string{"%.1f Gbit/s"}, func() ([]float64, error) {
			values, err := n.cost(in, nil, args...)
			if err != nil {
				return nil, err
			}
			return values[:1], nil
		})
	}
}

// published adds the requests to a port that a command publishes for netload. It
// is started for every measurement: an idle one would be in the way of others.
func (n *netBench) published(name, port string, command []string) {
	for _, kind := range requestKinds {
		n.addRequests(kind, name, nil, "127.0.0.1:"+port)
		s := n.series[len(n.series)-1]
		load := s.measure
		s.row = kind.row + ": other networks"
		s.measure = func() ([]float64, error) {
			cmd := n.command(command...)
			cmd.SysProcAttr.Setpgid = true
			if err := cmd.Start(); err != nil {
				return nil, err
			}
			ended := make(chan struct{})
			go func() { _ = cmd.Wait(); close(ended) }()
			defer func() {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
				select {
				case <-ended:
				case <-time.After(time.Second):
					_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
					<-ended
				}
			}()
			if err := n.answers(port, ended); err != nil {
				return nil, err
			}
			return load()
		}
	}
}

func (n *netBench) pasta() {
	// The host's own address is the namespace's, too; the gateway leads to the host.
	gateway, _ := n.output(nil, "sh", "-c", "ip route show default | awk '{ print $3; exit }'")
	n.peerSpeed("pasta", []string{"timeout", "-k", "1", "60", "pasta", "--config-net", "-q", "--"}, strings.TrimSpace(gateway))
	port, err := n.port("pasta")
	if err == nil {
		n.published("pasta's published port", port, []string{"pasta", "--config-net", "-q", "-f", "-t", port + ":80", "--", n.netload(), "serve", ":80"})
	}
}

func (n *netBench) rootlesskit() {
	port, err := n.port("rootlesskit")
	run := filepath.Join(n.home, "run")
	if err != nil || n.command("mkdir", "-p", "-m", "700", run).Run() != nil {
		return
	}
	n.published("rootlesskit's builtin driver", port, []string{"env", "XDG_RUNTIME_DIR=" + run, "rootlesskit", "--net=slirp4netns", "--port-driver=builtin",
		"--disable-host-loopback", "--mtu=65520", "-p", "127.0.0.1:" + port + ":80/tcp", n.netload(), "serve", ":80"})
}

// slirp4netns connects a namespace that is there for the length of a measurement.
func (n *netBench) slirp4netns() {
	script := filepath.Join(n.dir, "in-slirp4netns")
	err := os.WriteFile(script, []byte(`#!/bin/sh
trap 'kill $slirp $space' EXIT
unshare -Urn sleep 1000 & space=$!
until [ "$(readlink /proc/$space/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
slirp4netns -c --mtu=65520 $space tap0 >/dev/null 2>&1 & slirp=$!
until nsenter --preserve-credentials -U -n -t $space ip route | grep -q default; do
	kill -0 $slirp || exit 1
	sleep 0.05
done
nsenter --preserve-credentials -U -n -t $space "$@"
`), 0o755)
	if err == nil {
		n.peerSpeed("slirp4netns", []string{script}, n.host)
	}
}
