// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// hostPrograms are the options that put the host's programs into a container.
var hostPrograms = []string{
	"-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro", "-v", "/etc/alternatives:/etc/alternatives:ro",
}

// inBox runs a program of the host in a container.
func (u *user) inBox(options []string, args ...string) testutil.Result {
	u.t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		u.t.Skipf("%s is not installed", args[0])
	}
	all := append(append([]string{"run", "--rm"}, hostPrograms...), options...)
	return u.result(append(append(all, "busybox", path), args[1:]...)...)
}

// TestPing asks the gateway for an echo, without any capability.
func TestPing(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	// The host's file may have a capability that the container may not have.
	path, err := exec.LookPath("ping")
	if err != nil {
		t.Skip("ping is not installed")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Skip(err)
	}
	plain := u.write("ping", string(program))
	if err := os.Chmod(plain, 0o755); err != nil {
		t.Fatal(err)
	}
	r := u.inBox([]string{"--cap-drop", "ALL", "-v", plain + ":" + path + ":ro"}, "ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "10.0.2.2")
	if r.Code != 0 {
		t.Fatalf("exit code %d: %s%s", r.Code, r.Out, r.Err)
	}
	testutil.Contains(t, r.Out, "3 received, 0% packet loss")
	if singleID(t) {
		return
	}
	r = u.inBox([]string{"--user", "1000:1000", "-v", plain + ":" + path + ":ro"}, "ping", "-n", "-c", "1", "-W", "5", "127.0.0.1")
	if r.Code != 0 {
		t.Errorf("as user 1000: exit code %d: %s%s", r.Code, r.Out, r.Err)
	}
}

// TestDig asks for the names of a network, with every transport.
func TestDig(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("network", "create", "dns")
	u.ok("run", "-d", "--name", "target", "--network", "dns", "--network-alias", "also", "--hostname", "host.example", "busybox", "sleep", "1000")
	address := u.ok("inspect", "-f", "{{.NetworkSettings.Networks.dns.IPAddress}}", "target")
	for _, args := range [][]string{{"target"}, {"also"}, {"host.example"}, {"+tcp", "target"}, {"TARGET."}} {
		r := u.inBox([]string{"--network", "dns"}, append([]string{"dig", "+short", "+time=5", "+tries=1"}, args...)...)
		if r.Code != 0 || strings.TrimSpace(r.Out) != address {
			t.Errorf("dig %v: %d: %s%s, want %s", args, r.Code, r.Out, r.Err, address)
		}
	}
	r := u.inBox([]string{"--network", "dns"}, "dig", "+time=5", "+tries=1", "target", "AAAA")
	testutil.Contains(t, r.Out, "NOERROR", "ANSWER: 0")
}

// TestCurl fetches from the host, which is open by name only, and is refused
// where nobody listens.
func TestCurl(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("0123456789abcdef", 1<<16)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
			return
		}
		_, _ = io.WriteString(w, body)
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	port := l.Addr().(*net.TCPAddr).Port
	url := fmt.Sprintf("http://host:%d/", port)
	open := []string{"--add-host", "host:host-gateway"}
	if r := u.inBox(open, "curl", "-sS", "-m", "20", url); r.Out != body {
		t.Errorf("code %d, %d bytes: %s", r.Code, len(r.Out), r.Err)
	}
	if r := u.inBox(open, "curl", "-sS", "-m", "20", "-T", "/usr/bin/curl", url+"x"); r.Code != 0 || r.Out == "" || r.Out == "0" {
		t.Errorf("upload: code %d: %s%s", r.Code, r.Out, r.Err)
	}
	const refused = 7 // of curl(1)
	if r := u.inBox(nil, "curl", "-sS", "-m", "20", fmt.Sprintf("http://10.0.2.2:%d/", port)); r.Code != refused {
		t.Errorf("the host's loopback is open without its name: code %d: %s", r.Code, r.Err)
	}
	if r := u.inBox(open, "curl", "-sS", "-m", "20", "http://host:1/"); r.Code != refused {
		t.Errorf("nobody listens: code %d: %s", r.Code, r.Err)
	}
}

// TestIperf carries data at full speed both ways: out of a container, and in
// through a published port.
func TestIperf(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	path, err := exec.LookPath("iperf3")
	if err != nil {
		t.Skip("iperf3 is not installed")
	}
	args := append(append([]string{"run", "-d", "--name", "iperf", "-p", "127.0.0.1::5201"}, hostPrograms...), "busybox", path, "-s")
	u.ok(args...)
	host, port, err := net.SplitHostPort(strings.Fields(u.ok("port", "iperf", "5201/tcp"))[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, direction := range []string{"", "-R"} {
		measure := []string{"-c", host, "-p", port, "-t", "1", "-J"}
		if direction != "" {
			measure = append(measure, direction)
		}
		var sum struct {
			Error string `json:"error"`
			End   struct {
				Received struct {
					Bytes float64 `json:"bytes"`
				} `json:"sum_received"`
			} `json:"end"`
		}
		// It is turned away until the server is there, says so in its answer, and
		// ends with 0 all the same.
		testutil.Eventually(t, "iperf3 answers", func() bool {
			sum.Error = ""
			out, err := exec.Command(path, measure...).Output()
			return err == nil && json.Unmarshal(out, &sum) == nil && sum.Error == ""
		})
		if sum.End.Received.Bytes < 1<<20 {
			t.Errorf("iperf3 %s carried %.0f bytes in a second", direction, sum.End.Received.Bytes)
		}
	}
}
