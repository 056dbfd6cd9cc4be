// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/slirp/publish"
)

// crowd is a process of its own, whose descriptors are not those of the
// network: it serves in the container and visits on the host.
type crowd struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
}

// newCrowd begins one, which visits addr; l is the server's listener.
func newCrowd(t *testing.T, l net.Listener, addr string) *crowd {
	t.Helper()
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crowdMark+"="+addr)
	cmd.ExtraFiles = []*os.File{f}
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("crowd: %v\n%.4000s", err, said.Bytes())
		}
	})
	return &crowd{t, in, bufio.NewReader(out)}
}

// visit has so many visitors come, all at once; those who have been answered
// stay until go. It returns how many have been.
func (c *crowd) visit(visitors int) int { return c.ask("visit " + strconv.Itoa(visitors)) }

func (c *crowd) leave() { c.ask("leave") }

func (c *crowd) ask(what string) int {
	c.t.Helper()
	fmt.Fprintln(c.in, what)
	line, err := c.out.ReadString('\n')
	n, nerr := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || nerr != nil {
		c.t.Fatalf("crowd: %q %v", line, err)
	}
	return n
}

// beCrowd is the crowd's side.
func beCrowd(addr string) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	go accept(l, func(c net.Conn) {
		defer c.Close()
		buf := make([]byte, 16) // io.Copy would take pipes
		for n, err := c.Read(buf); err == nil; n, err = c.Read(buf) {
			c.Write(buf[:n])
		}
	})
	var there []net.Conn
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		what, count, _ := strings.Cut(in.Text(), " ")
		n, _ := strconv.Atoi(count)
		if what == "leave" {
			for _, c := range there {
				c.Close()
			}
			there = nil
		}
		came := make(chan net.Conn)
		for range n {
			go func() { came <- visit(addr) }()
		}
		answered := 0
		for range n {
			if c := <-came; c != nil {
				there = append(there, c)
				answered++
			}
		}
		fmt.Println(answered)
	}
	return nil
}

// slots bounds how many knock at a time: the listener's backlog is the host's.
var slots = make(chan struct{}, 250)

// visit says something and waits for the echo.
func visit(addr string) net.Conn {
	slots <- struct{}{}
	defer func() { <-slots }()
	c, err := net.DialTimeout("tcp", addr, 30*time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err = c.Write([]byte("hello")); err == nil {
		_, err = io.ReadFull(c, make([]byte, 5))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		c.Close()
		return nil
	}
	return c
}

// descriptors sets how many descriptors this process may have.
func descriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < n {
		t.Skipf("a process may have %d descriptors here, which is less than %d", limit.Max, n)
	}
	limit.Cur = n
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

func TestFiveThousandConnections(t *testing.T) {
	if !onHost(t) {
		return
	}
	const visitors = 5000
	descriptors(t, 4*visitors)
	b := newBox(t, nil)
	if _, err := b.ports.Publish(publish.Spec{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"}); err != nil {
		t.Fatal(err)
	}
	c := newCrowd(t, b.listen("0.0.0.0:8000"), hostAddr+":8080")
	began := time.Now()
	if n := c.visit(visitors); n != visitors {
		t.Errorf("%d of %d visitors were answered", n, visitors)
	}
	t.Logf("%d at once after %v", visitors, time.Since(began))
	c.leave()
	if c.visit(1) != 1 {
		t.Error("after they have left, nobody is answered")
	}
}

// TestDescriptorsRunOut has more visitors than descriptors: some are served,
// others are not, and when they have left there is room again, at the port and
// for the container's own connections.
func TestDescriptorsRunOut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute under the race detector")
	}
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	out := listenHost(t, digest)
	if _, err := b.ports.Publish(publish.Spec{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"}); err != nil {
		t.Fatal(err)
	}
	c := newCrowd(t, b.listen("0.0.0.0:8000"), hostAddr+":8080")
	descriptors(t, 256)
	for round := range 3 {
		n := c.visit(400)
		t.Logf("round %d: %d of 400 are served", round, n)
		if n < 50 || n == 400 {
			t.Errorf("%d of 400 visitors are served", n)
		}
		c.leave()
		testutil.Eventually(t, "a later visitor is served", func() bool { return c.visit(1) == 1 })
		c.leave()
		conn, err := b.dial("tcp", out, 5*time.Second)
		if err == nil {
			err = exchange(conn, []byte("hello"))
		}
		if err != nil {
			t.Errorf("round %d: out: %v", round, err)
		}
	}
}
