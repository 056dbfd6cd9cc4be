// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Host is the platform of this machine, in normal form.
func Host() ocispec.Platform {
	return Normalize(ocispec.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH})
}

// Parse reads a platform as users write it: linux/arm64/v8, linux/amd64, linux,
// or arm64. What is left out is the host's; empty is the host's platform. The
// result is in normal form.
func Parse(s string) (ocispec.Platform, error) {
	p := Host()
	parts := strings.Split(strings.ToLower(s), "/")
	switch {
	case s == "":
		return p, nil
	case slices.Contains(parts, "") || len(parts) > 3:
		return ocispec.Platform{}, fmt.Errorf("%q is an invalid OS component of platform: platform specifier component must match [os[/arch[/variant]]]", s)
	case len(parts) == 1 && isOS(parts[0]):
		p.OS = parts[0]
		return p, nil
	case len(parts) == 1:
		p = ocispec.Platform{OS: p.OS, Architecture: parts[0]}
	default:
		p = ocispec.Platform{OS: parts[0], Architecture: parts[1]}
	}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return Normalize(p), nil
}

// isOS tells an operating system that stands alone from an architecture.
func isOS(s string) bool { return s == "linux" || s == "windows" || s == "darwin" || s == "freebsd" }

// Normalize gives the many names of architectures one.
func Normalize(p ocispec.Platform) ocispec.Platform {
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	case "i386", "i686":
		p.Architecture = "386"
	}
	switch {
	case p.Architecture == "arm64" && (p.Variant == "v8" || p.Variant == "8"), p.Architecture == "amd64" && p.Variant == "v1":
		p.Variant = ""
	case p.Architecture == "arm" && p.Variant == "":
		p.Variant = "v7"
	case p.Architecture == "arm" && !strings.HasPrefix(p.Variant, "v"):
		p.Variant = "v" + p.Variant
	}
	return p
}

// String is a platform as it is written: linux/arm/v7. It need not be in normal
// form; what it is empty of is left out.
func String(p ocispec.Platform) string {
	return strings.Trim(strings.Join([]string{p.OS, p.Architecture, p.Variant}, "/"), "/")
}

// Suits reports whether an image for have runs where want, in normal form, is
// wanted, and how well: 0 is not at all, the highest is best.
func Suits(want, have ocispec.Platform) int {
	have = Normalize(have)
	if have.OS != want.OS || have.Architecture != want.Architecture {
		return 0
	}
	switch {
	case have.Variant == want.Variant:
		return 100
	case want.Architecture == "arm" && have.Variant < want.Variant:
		// Older instructions run on newer processors: v7 takes v6 and v5.
		return 50 + int(have.Variant[len(have.Variant)-1]-'0')
	case want.Architecture != "arm" && want.Variant != "" && have.Variant == "":
		return 10
	}
	return 0
}
