// SPDX-License-Identifier: Apache-2.0

package cdi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"
	cdispec "tags.cncf.io/container-device-interface/specs-go"
)

// largest is the size in bytes above which a file is taken for something else. A
// machine with eight GPUs has 100 KB.
const largest = 8 << 20

// file is one specification that is valid.
type file struct {
	path string
	spec *cdispec.Spec
}

// readFile reads and checks the specification in a file. One that is a link is
// followed; a pipe or device is not waited for.
func readFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return nil, err
	}
	if len(data) > largest {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, largest>>20)
	}
	spec, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &file{path, spec}, nil
}

// parse reads a specification, in JSON or YAML: the one is part of the other. A
// field that is not known is one whose meaning would be lost.
func parse(data []byte) (*cdispec.Spec, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	var s *cdispec.Spec
	if err := d.Decode(&s); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("empty")
		}
		return nil, err
	}
	if s == nil {
		return nil, errors.New("empty")
	}
	return s, check(s)
}

func check(s *cdispec.Spec) error {
	if err := checkKind(s.Kind); err != nil {
		return err
	}
	if err := checkEdits(&s.ContainerEdits); err != nil { // before the version, which looks into them
		return err
	}
	if len(s.Devices) == 0 {
		return errors.New("no devices")
	}
	seen := map[string]bool{}
	for i := range s.Devices {
		d := &s.Devices[i]
		if err := checkDevice(d.Name); err != nil {
			return err
		}
		if seen[d.Name] {
			return fmt.Errorf("device %q: described twice", d.Name)
		}
		seen[d.Name] = true
		if err := checkEdits(&d.ContainerEdits); err != nil {
			return fmt.Errorf("device %q: %w", d.Name, err)
		}
	}
	return cdispec.ValidateVersion(s)
}
