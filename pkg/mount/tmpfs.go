// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"fmt"
	"slices"
	"strings"
)

// TmpfsOptions reads the options of a tmpfs, separated by commas, as of mount(8)
// and tmpfs(5): those that are for the mount, in their order, and whether it is
// read-only.
func TmpfsOptions(words string) (options []string, readOnly bool, err error) {
	for _, o := range strings.Split(words, ",") {
		name, val, has := strings.Cut(o, "=")
		switch {
		case o == "", o == "rw", o == "defaults":
		case o == "ro":
			readOnly = true
		case !has && slices.Contains(tmpfsFlags, name), has && val != "" && slices.Contains(tmpfsFields, name):
			options = append(options, o)
		default:
			return nil, false, fmt.Errorf("invalid tmpfs option [%q]", o)
		}
	}
	return options, readOnly, nil
}

var (
	tmpfsFields = []string{"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"}
	tmpfsFlags  = []string{
		"suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime", "diratime", "nodiratime", "relatime",
		"norelatime", "strictatime", "nostrictatime", "sync", "async", "noswap",
	}
)
