// SPDX-License-Identifier: Apache-2.0

package cli

import "runtime/debug"

// commitID is the commit that the program was built from, as far as the
// toolchain knows.
func commitID() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 7 {
				return s.Value[:7]
			}
		}
	}
	return "unknown"
}

// defaultContext is the one context there is: this program, on this host.
const defaultContext = "default"
