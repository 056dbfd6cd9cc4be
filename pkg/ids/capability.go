// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"fmt"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// Capabilities are the names of all that this program knows, CAP_CHOWN and on,
// in the order of their numbers (linux/capability.h).
func Capabilities() []string {
	var names []string
	for _, c := range capability.ListKnown() {
		names = append(names, "CAP_"+strings.ToUpper(c.String()))
	}
	return names
}

// CapabilityBits turns names as in a runtime specification, CAP_CHOWN, into a set
// as in capabilities(7): a bit each, by its number.
func CapabilityBits(names []string) (uint64, error) {
	numbers := map[string]int{}
	for n, name := range Capabilities() {
		numbers[name] = n
	}
	var set uint64
	for _, name := range names {
		n, ok := numbers[name]
		if !ok {
			return 0, fmt.Errorf("capability %s is not known", name)
		}
		set |= 1 << n
	}
	return set, nil
}

// Capable reports whether a capability is effective in this process, in the
// user namespace that it is in.
func Capable(number int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if unix.Capget(&hdr, &now[0]) != nil {
		return false
	}
	return now[number/32].Effective&(1<<(number%32)) != 0
}
