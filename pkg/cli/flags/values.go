// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"strings"
)

// SplitCommas takes the values of a flag that are given one by one, or with commas between.
func SplitCommas(list []string) (all []string) {
	for _, s := range list {
		for v := range strings.SplitSeq(s, ",") {
			all = append(all, strings.TrimSpace(v))
		}
	}
	return all
}
