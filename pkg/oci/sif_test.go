// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sylabs/sif/v2/pkg/sif"
)

// part is a part of a SIF.
func part(t *testing.T, kind sif.DataType, text string, o ...sif.DescriptorInputOpt) sif.DescriptorInput {
	t.Helper()
	d, err := sif.NewDescriptorInput(kind, strings.NewReader(text), o...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func sifOf(t *testing.T, parts ...sif.DescriptorInput) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sif"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	s, err := sif.CreateContainer(f, sif.OptCreateDeterministic(), sif.OptCreateWithDescriptors(parts...), sif.OptCreateWithCloseOnUnload(false))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.UnloadContainer(); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPartsOfASIF(t *testing.T) {
	system := sif.OptPartitionMetadata(sif.FsSquash, sif.PartPrimSys, "amd64")
	for _, c := range []struct {
		name, config, want string // want is an error, or what the system begins with
		parts              []sif.DescriptorInput
	}{
		{"a system", "", "hsqs", []sif.DescriptorInput{part(t, sif.DataPartition, "hsqs", system)}},
		{"a system with a configuration", `{"Env":["A=1"]}`, "hsqs", []sif.DescriptorInput{
			part(t, sif.DataDeffile, "bootstrap: docker"), part(t, sif.DataGenericJSON, "{}", sif.OptObjectName("inspect-metadata.json")),
			part(t, sif.DataGenericJSON, `{"Env":["A=1"]}`, sif.OptObjectName(ociConfigName)), part(t, sif.DataPartition, "hsqs", system),
		}},
		{"another system", "", "no squashfs", []sif.DescriptorInput{part(t, sif.DataPartition, "ext3", sif.OptPartitionMetadata(sif.FsExt3, sif.PartPrimSys, "amd64"))}},
		{"an encrypted one", "", "no squashfs", []sif.DescriptorInput{part(t, sif.DataPartition, "luks", sif.OptPartitionMetadata(sif.FsEncryptedSquashfs, sif.PartPrimSys, "amd64"))}},
		{"only data", "", "its system", []sif.DescriptorInput{part(t, sif.DataPartition, "hsqs", sif.OptPartitionMetadata(sif.FsSquash, sif.PartData, "amd64"))}},
		{"nothing", "", "its system", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sifOf(t, c.parts...)
			if got := formatOf(f); got != SIF {
				t.Errorf("it is taken for %q", got)
			}
			root, config, err := openSIF(f)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "read SIF: ") || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			if data, err := io.ReadAll(root); err != nil || string(data) != c.want || string(config) != c.config {
				t.Errorf("%q with %q, %v", data, config, err)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	for text, want := range map[string]Format{
		"": Archive, "hsqs": Archive, "hsqs" + strings.Repeat("\x00", 96): Squashfs, strings.Repeat("\x00", 600): Archive,
		"#!/usr/bin/env run-singularity\n\x00SIF_MAGIC\x00": SIF, "SIF_MAGIC" + strings.Repeat("\x00", 60): Archive, "sqsh" + strings.Repeat("\x00", 96): Archive,
	} {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if got := formatOf(f); got != want {
			t.Errorf("%.20q is %q", text, got)
		}
		f.Close()
	}
}

// FuzzOpenFilesystem has files that say that they are a file system.
func FuzzOpenFilesystem(f *testing.F) {
	f.Add([]byte("hsqs" + strings.Repeat("\x00", 96)))
	f.Add(append([]byte("#!/usr/bin/env run-singularity\n\x00SIF_MAGIC\x0001\x0002\x00"), bytes.Repeat([]byte{1}, 80)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if format := formatOf(in); format != Archive {
			_, _ = openFilesystem(in, format)
		}
	})
}
