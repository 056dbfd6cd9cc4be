// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"runtime"
	"strings"
)

// Platform is what FROM and the predefined arguments call one.
type Platform struct{ OS, Arch, Variant string }

// ParsePlatform completes a platform; without one it is this machine's.
func ParsePlatform(s string) Platform {
	p := Platform{OS: "linux", Arch: runtime.GOARCH}
	f := strings.Split(strings.ToLower(s), "/")
	switch {
	case s == "":
		return p
	case len(f) > 1:
		p.OS, p.Arch = f[0], f[1]
	case f[0] == "linux" || f[0] == "windows" || f[0] == "darwin":
		p.OS = f[0]
	default:
		p.Arch = f[0]
	}
	if len(f) > 2 {
		p.Variant = f[2]
	}
	switch p.Arch {
	case "x86_64", "x86-64":
		p.Arch = "amd64"
	case "aarch64":
		p.Arch = "arm64"
	}
	return p
}

func (p Platform) String() string {
	if p.Variant != "" {
		return p.OS + "/" + p.Arch + "/" + p.Variant
	}
	return p.OS + "/" + p.Arch
}

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
