// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnswers(t *testing.T) {
	if err := (Answer{HostPid: 1}).err(); err != nil {
		t.Error(err)
	}
	err := Answer{Error: "exec x", Errno: int(unix.ENOENT), Exec: true}.err()
	var xe *ExecError
	if !errors.As(err, &xe) || !errors.Is(err, unix.ENOENT) || err.Error() != "exec x" {
		t.Errorf("%v", err)
	}
	err = Answer{Error: "mount x", Errno: int(unix.EPERM)}.err()
	if errors.As(err, &xe) || !errors.Is(err, unix.EPERM) {
		t.Errorf("%v", err)
	}
}

// TestR1: nobody can write through the path that stages are started from.
func TestR1_OwnProgramIsSealed(t *testing.T) {
	for name, open := range map[string]func() (int, error){"read-only mount": readOnlySelf, "copy": copiedSelf} {
		fd, err := open()
		if err != nil {
			t.Logf("%s: %v", name, err) // a mount takes a user namespace
			continue
		}
		path := "/proc/self/fd/" + strconv.Itoa(fd)
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			if _, err := f.WriteString("x"); err == nil {
				t.Errorf("%s was written", name)
			}
			f.Close()
		}
		own, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if copied, err := os.ReadFile(path); err != nil || string(copied) != string(own) {
			t.Errorf("%s is another program: %v", name, err)
		}
		unix.Close(fd)
	}
}
