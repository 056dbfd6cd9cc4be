// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

const (
	hostMark  = "SLIRP_TEST_HOST"  // set where the process is in the namespaces that play the host
	crowdMark = "SLIRP_TEST_CROWD" // set where the process is the visitors of a published port
)

// TestMain is also the crowd of visitors, and puts fuzzing into namespaces of
// its own: what it makes up must not go out from here.
func TestMain(m *testing.M) {
	flag.Parse()
	if addr := os.Getenv(crowdMark); addr != "" {
		if err := beCrowd(addr); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if fuzzing() && os.Getenv(hostMark) == "" {
		cmd := asHost(os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(cmd.ProcessState.ExitCode())
	}
	os.Exit(m.Run())
}

func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}

// asHost is this program as root of a user and network namespace, which play
// the host.
func asHost(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), hostMark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	return cmd
}
