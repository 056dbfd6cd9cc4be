// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"fmt"
	"slices"
)

// leftovers are the files, or what belongs to them, that were not copied: for
// each reason the first, and how many there were.
type leftovers struct {
	reasons []string
	first   map[string]string
	count   map[string]int
}

func (l *leftovers) add(name, reason string) {
	if l.count == nil {
		l.first, l.count = map[string]string{}, map[string]int{}
	}
	if l.count[reason]++; l.count[reason] == 1 {
		l.first[reason] = name
		l.reasons = append(l.reasons, reason)
	}
}

// lines are what there is to say, one for each reason.
func (l *leftovers) lines() []string {
	var lines []string
	for _, reason := range slices.Sorted(slices.Values(l.reasons)) {
		line := fmt.Sprintf("%q: %s", l.first[reason], reason)
		if n := l.count[reason]; n > 1 {
			line = fmt.Sprintf("%q and %d more: %s", l.first[reason], n-1, reason)
		}
		lines = append(lines, line)
	}
	return lines
}
