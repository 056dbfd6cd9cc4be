// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"coracle/pkg/wire"
)

// TestHandedOver runs itself as a service manager runs a program: with sockets as
// descriptors 3 and up, among them what is none.
func TestHandedOver(t *testing.T) {
	if os.Getenv("CLIENT_TEST_HANDED") != "" {
		if pid := os.Getenv("LISTEN_PID"); pid == "self" {
			os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		}
		files := HandedOver()
		os.Stdout.WriteString("sockets " + strconv.Itoa(len(files)) + " words " + os.Getenv("LISTEN_FDS") + os.Getenv("LISTEN_FDNAMES") + "\n")
		wire.CloseFiles(files)
		os.Exit(0)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer u.Close()
	tcp, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	udp, err := u.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	r, _ := pipe(t)
	for what, c := range map[string]struct {
		pid, n string
		want   string
	}{
		"all of them":       {"self", "3", "2"},
		"the first":         {"self", "1", "1"},
		"more than are":     {"self", "1000000", "2"},
		"nothing":           {"self", "0", "0"},
		"negative":          {"self", "-1", "0"},
		"no number":         {"self", "x", "0"},
		"for another":       {"1", "3", "0"},
		"for nobody at all": {"", "3", "0"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHandedOver$")
		cmd.Env = append(os.Environ(), "CLIENT_TEST_HANDED=1", "LISTEN_PID="+c.pid, "LISTEN_FDS="+c.n, "LISTEN_FDNAMES=names")
		cmd.ExtraFiles = []*os.File{tcp, r, udp}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "sockets "+c.want+" words" {
			t.Errorf("%s: %s, %v; want %s", what, out, err, c.want)
		}
	}
}
