// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"runtime"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestParse(t *testing.T) {
	host := "linux/" + runtime.GOARCH
	for text, want := range map[string]string{
		"": host, "linux": host, "Linux": host,
		"arm64": "linux/arm64", "aarch64": "linux/arm64", "linux/arm64/v8": "linux/arm64", "linux/arm64/8": "linux/arm64", "linux/arm64/v9": "linux/arm64/v9",
		"linux/arm": "linux/arm/v7", "linux/arm/6": "linux/arm/v6", "linux/armhf": "linux/arm/v7", "linux/armel": "linux/arm/v6",
		"Linux/x86_64": "linux/amd64", "x86-64": "linux/amd64", "linux/amd64/v1": "linux/amd64", "linux/amd64/v3": "linux/amd64/v3",
		"i386": "linux/386", "i686": "linux/386", "linux/riscv64": "linux/riscv64", "windows/amd64": "windows/amd64", "windows": "windows/" + runtime.GOARCH,
	} {
		p, err := Parse(text)
		if err != nil || String(p) != want {
			t.Errorf("%q is %s, %v; want %s", text, String(p), err, want)
		}
	}
	for _, text := range []string{"/", "linux/", "/arm64", "linux//v7", "linux/arm/v7/x"} {
		if p, err := Parse(text); err == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
}

func TestString(t *testing.T) {
	for want, p := range map[string]ocispec.Platform{
		"linux/amd64": {OS: "linux", Architecture: "amd64"}, "linux/arm/v7": {OS: "linux", Architecture: "arm", Variant: "v7"}, "linux": {OS: "linux"}, "": {},
	} {
		if got := String(p); got != want {
			t.Errorf("%v is %q, want %q", p, got, want)
		}
	}
}

// TestSuits has the images that an index offers, the best first.
func TestSuits(t *testing.T) {
	for want, have := range map[string][]string{
		"linux/arm/v7": {"linux/arm/v7", "linux/arm/v6", "linux/arm/v5", ""}, "linux/arm/v6": {"linux/arm/v6", "linux/arm/v5", "", "linux/arm/v7"},
		"linux/arm64": {"linux/arm64", "", "linux/arm64/v9", "linux/amd64", "windows/arm64"}, "linux/amd64/v3": {"linux/amd64/v3", "linux/amd64", "", "linux/amd64/v2"},
	} {
		w, _ := Parse(want)
		last, none := 101, false
		for _, h := range have {
			if h == "" {
				none = true
				continue
			}
			p, _ := Parse(h)
			got := Suits(w, p)
			if none != (got == 0) || got >= last && !none {
				t.Errorf("%s for %s: %d after %d", h, want, got, last)
			}
			last = got
		}
	}
}
