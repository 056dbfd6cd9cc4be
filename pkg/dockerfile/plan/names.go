// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
)

// Canonical completes an image's name for the progress; the owner of names is
// package oci, which will refuse a wrong one.
func Canonical(name string) string {
	first, _, ok := strings.Cut(name, "/")
	if !ok {
		name = "docker.io/library/" + name
	} else if !strings.ContainsAny(first, ".:") && first != "localhost" {
		name = "docker.io/" + name
	}
	if !strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") && !strings.Contains(name, "@") {
		name += ":latest"
	}
	return name
}

// shownName is an image's name with what it means now.
func shownName(name string, digests []string) string {
	shown := Canonical(name)
	for _, d := range digests {
		repo, dig, _ := strings.Cut(d, "@")
		if strings.HasPrefix(shown, repo+":") {
			return shown + "@" + dig
		}
	}
	return shown
}
