// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"os"

	"golang.org/x/sys/unix"
)

// Drain returns when nothing is left to be read of f, which somebody else reads, or
// enough says so. It waits for no writer.
func Drain(f *os.File, enough func() bool) {
	for {
		// A terminal's bytes may still be on their way through the kernel's
		// work queue, where TIOCINQ does not count them: poll waits for that
		// (n_tty_poll, tty_buffer_flush_work).
		left := false
		_ = Control(f, func(fd int) error {
			ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(ready, 0)
			left = err == nil && n > 0 && ready[0].Revents&unix.POLLIN != 0
			return err
		})
		if !left || enough() {
			return
		}
		// Its reader is at work; this only waits without spinning.
		_, _ = unix.Poll(nil, 1)
	}
}
