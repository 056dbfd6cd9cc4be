// SPDX-License-Identifier: Apache-2.0

package command

import "runtime/debug"

// CommitID is the commit that the program was built from, as far as the
// toolchain knows.
func CommitID() string {
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

// DefaultContext is the one context there is: this program, on this host.
const DefaultContext = "default"
