// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Program is the path of the program under test, which is built into dir where
// CORACLE_BIN names none.
func Program(dir string) (string, error) {
	if built := os.Getenv("CORACLE_BIN"); built != "" {
		return built, nil
	}
	bin := filepath.Join(dir, "coracle")
	if out, err := exec.Command("go", "build", "-o", bin, "coracle").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}

// Unprivileged says why the program cannot be tested by who runs the test.
func Unprivileged() error {
	if os.Getuid() == 0 {
		return errors.New("coracle is for users: hack/test.sh runs this test as one")
	}
	return nil
}

// Unfit reports whether a package that cannot be tested here, for a reason other
// than its own, is a failure: it is in CI, where nobody reads what was skipped.
func Unfit() bool { return os.Getenv("CI") != "" }

// Needs skips a test that lacks what its whole package needs; in CI it fails.
func Needs(t testing.TB, lacking error) {
	t.Helper()
	switch {
	case lacking == nil:
	case Unfit():
		t.Fatalf("in CI every package is tested: %v", lacking)
	default:
		t.Skip(lacking)
	}
}

// NoUserns reports whether the caller knows that this host has no user
// namespaces.
func NoUserns() bool { return os.Getenv("CORACLE_NO_USERNS") == "1" }

// NeedsUserns fails a test that got no user namespace, or skips it where it is
// known that this host gives none.
func NeedsUserns(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case NoUserns():
		t.Skipf("no user namespace: %v", err)
	default:
		t.Fatalf("no user namespace (CORACLE_NO_USERNS=1 allows that): %v", err)
	}
}

// FreePort is a TCP port that nobody listens on.
func FreePort(t testing.TB) string {
	t.Helper()
	return strconv.Itoa(FreePorts(t, 1))
}

// FreePorts is the first of n ports in a row that nobody listens on, none of which the
// kernel gives to a connection of somebody else meanwhile (ip(7), ip_local_port_range).
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	const lowest = 10000
	highest := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &highest)
	}
	for range 50 {
		first := lowest + rand.IntN(max(highest-lowest-n, 1))
		free := true
		for i := 0; i < n && free; i++ {
			l, err := net.Listen("tcp", fmt.Sprint(":", first+i))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return first
		}
	}
	t.Skipf("no %d free ports in a row", n)
	return 0
}

// Noted is a directory on a file system on which users may set attributes, open; where
// there is none the test is skipped.
func Noted(t testing.TB) (string, int) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Setxattr(dir, "user.test", nil, 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system has no attributes of users")
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return dir, int(f.Fd())
}
