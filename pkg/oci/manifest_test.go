// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/oci/registry"
)

func TestChoose(t *testing.T) {
	index := func(platforms ...string) []ocispec.Descriptor {
		var list []ocispec.Descriptor
		for _, p := range platforms {
			parts := append(strings.Split(p, "/"), "")
			list = append(list, ocispec.Descriptor{
				Digest:   digest.FromString(p),
				Platform: &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]},
			})
		}
		return list
	}
	for _, c := range []struct{ want, list, got string }{
		{"linux/amd64", "linux/arm64/v8 linux/amd64 unknown/unknown", "linux/amd64"},
		{"linux/amd64", "windows/amd64 linux/amd64", "linux/amd64"},
		{"linux/amd64", "linux/amd64/v3 linux/amd64", "linux/amd64"},
		{"linux/amd64", "linux/amd64/v3", ""},
		{"linux/amd64/v3", "linux/amd64", "linux/amd64"},
		{"arm64", "linux/arm/v7 linux/arm64/v8", "linux/arm64/v8"},
		{"linux/aarch64", "linux/arm64", "linux/arm64"},
		{"linux/arm", "linux/arm/v5 linux/arm/v6 linux/arm64", "linux/arm/v6"},
		{"linux/arm/v6", "linux/arm/v7 linux/arm/v5", "linux/arm/v5"},
		{"linux/arm/v6", "linux/arm/v7", ""},
		{"linux/s390x", "linux/amd64 linux/arm64", ""},
	} {
		want, err := ParsePlatform(c.want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := choose(index(strings.Fields(c.list)...), want)
		if c.got == "" {
			var none *NoMatchError
			if !errors.As(err, &none) {
				t.Errorf("%s of %s: %v", c.want, c.list, got)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].Digest != digest.FromString(c.got) {
			t.Errorf("%s of %s: got %v, %v", c.want, c.list, got, err)
		}
	}
	_, err := choose(index("linux/amd64"), ocispec.Platform{OS: "linux", Architecture: "arm64"})
	if err == nil || err.Error() != "no matching manifest for linux/arm64 in the manifest list entries" {
		t.Error(err)
	}
}

func TestBadPlatforms(t *testing.T) {
	for _, s := range []string{"/", "linux/", "a/b/c/d", "windows/amd64"} {
		if _, err := ParsePlatform(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestParseDocument(t *testing.T) {
	d := digest.FromString("x")
	desc := fmt.Sprintf(`{"digest":%q,"size":1}`, d)
	for name, c := range map[string]struct {
		text, mediaType string
		ok              bool
	}{
		"manifest":       {`{"schemaVersion":2,"config":` + desc + `,"layers":[` + desc + `]}`, registry.DockerManifest, true},
		"manifest, oci":  {`{"schemaVersion":2,"config":` + desc + `,"layers":[]}`, "", true},
		"index":          {`{"schemaVersion":2,"manifests":[` + desc + `]}`, ocispec.MediaTypeImageIndex, true},
		"schema 1":       {`{"schemaVersion":1,"fsLayers":[]}`, registry.Schema1Signed, false},
		"schema 1, mute": {`{"schemaVersion":1,"fsLayers":[]}`, "", false},
		"both":           {`{"schemaVersion":2,"config":` + desc + `,"layers":[],"manifests":[]}`, "", false},
		"not an index":   {`{"schemaVersion":2,"config":` + desc + `,"layers":[]}`, registry.DockerIndex, false},
		"no manifest":    {`{"schemaVersion":2,"manifests":[]}`, registry.DockerManifest, false},
		"no config":      {`{"schemaVersion":2,"layers":[]}`, "", false},
		"bad digest":     {`{"schemaVersion":2,"config":` + desc + `,"layers":[{"digest":"sha256:../x","size":1}]}`, "", false},
		"negative":       {strings.Replace(`{"schemaVersion":2,"config":`+desc+`}`, `"size":1`, `"size":-1`, 1), "", false},
		"many":           {`{"schemaVersion":2,"config":` + desc + `,"layers":[` + strings.Repeat(desc+",", maxLayers) + desc + `]}`, "", false},
		"nothing":        {``, "", false},
	} {
		_, err := parseDocument([]byte(c.text), c.mediaType)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayoutNames(t *testing.T) {
	for _, c := range []struct{ name, tag, want string }{
		{"docker.io/library/x:1", "1", "docker.io/library/x:1"},
		{"", "docker.io/library/x:1", "docker.io/library/x:1"},
		{"", "x:1", "docker.io/library/x:1"},
		{"", "latest", ""},
		{"", "../x:1", ""},
		{"", "", ""},
	} {
		got := strings.Join(layoutNames(ocispec.Descriptor{Annotations: map[string]string{annotationName: c.name, annotationTag: c.tag}}), " ")
		if got != c.want {
			t.Errorf("%q %q: %q", c.name, c.tag, got)
		}
	}
}
