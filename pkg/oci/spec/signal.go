// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ParseSignal reads a signal's name, with or without SIG, or its number.
func ParseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n <= 0 || n > 64 {
			return 0, fmt.Errorf("invalid signal: %s", s)
		}
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if sig := unix.SignalNum("SIG" + strings.TrimPrefix(name, "SIG")); sig != 0 {
		return sig, nil
	}
	if sig, ok := realtimeSignal(strings.TrimPrefix(name, "SIG")); ok {
		return sig, nil
	}
	return 0, fmt.Errorf("invalid signal: %s", s)
}

// realtimeSignal reads RTMIN, RTMIN+n, RTMAX and RTMAX-n as the C library
// counts them: signals 34 to 64.
func realtimeSignal(name string) (syscall.Signal, bool) {
	const low, high = 34, 64
	base, rest := low, ""
	switch {
	case strings.HasPrefix(name, "RTMIN"):
		rest = strings.TrimPrefix(name, "RTMIN")
	case strings.HasPrefix(name, "RTMAX"):
		base, rest = high, strings.TrimPrefix(name, "RTMAX")
	default:
		return 0, false
	}
	n := 0
	if rest != "" {
		var err error
		if n, err = strconv.Atoi(rest); err != nil || rest[0] != '+' && rest[0] != '-' {
			return 0, false
		}
	}
	sig := base + n
	return syscall.Signal(sig), sig >= low && sig <= high
}
