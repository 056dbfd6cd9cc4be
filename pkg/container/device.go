// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is a node of the host that is bound into a container.
type Device struct {
	Source      string `json:"source"`
	Target      string `json:"target"`
	Permissions string `json:"permissions"` // of r, w and m
}

// DeviceRequest asks for devices by what they are for, or by names that
// specification files describe (package cdi).
type DeviceRequest struct {
	Driver       string            `json:"driver,omitempty"`
	Count        int               `json:"count,omitempty"` // -1: all
	IDs          []string          `json:"ids,omitempty"`
	Capabilities [][]string        `json:"capabilities,omitempty"`
	Options      map[string]string `json:"options"`
	// Names are the qualified names that this came to. What is behind them is looked
	// up at each start.
	Names []string `json:"names"`
}

// ParseDevice reads the value of --device: SOURCE[:TARGET][:PERMISSIONS].
func ParseDevice(spec string) (Device, error) {
	parts := strings.Split(spec, ":")
	if len(parts) > 3 || parts[0] == "" {
		return Device{}, fmt.Errorf("bad format for path: %s", spec)
	}
	d := Device{Source: parts[0], Target: parts[0], Permissions: "rwm"}
	switch {
	case len(parts) == 2 && isDeviceMode(parts[1]):
		d.Permissions = parts[1]
	case len(parts) == 2:
		d.Target = parts[1]
	case len(parts) == 3:
		if !isDeviceMode(parts[2]) {
			return Device{}, fmt.Errorf("bad mode specified: %s", parts[2])
		}
		d.Target, d.Permissions = parts[1], parts[2]
	}
	return d, d.Check()
}

// Check refuses what is no device, and cleans its paths.
func (d *Device) Check() error {
	if !isDeviceMode(d.Permissions) {
		return fmt.Errorf("bad mode specified: %s", d.Permissions)
	}
	for _, p := range []string{d.Target, d.Source} {
		if !path.IsAbs(p) {
			return fmt.Errorf("%s is not an absolute path", p)
		}
	}
	d.Source, d.Target = path.Clean(d.Source), path.Clean(d.Target)
	return nil
}

// isDeviceMode reports whether s is made of r, w and m, each at most once.
func isDeviceMode(s string) bool {
	for i := range s {
		if !strings.Contains("rwm", s[i:i+1]) || strings.Contains(s[:i], s[i:i+1]) {
			return false
		}
	}
	return s != ""
}

// Nodes are the device itself, or, for a directory, the devices in it. The
// kernel lets nobody but root make nodes: what the user may not open on the
// host, the container may not either, so that is an error now.
func (d Device) Nodes() ([]Device, error) {
	gathering := func(err error) error {
		return fmt.Errorf("error gathering device information while adding custom device %q: %w", d.Source, err)
	}
	info, err := os.Stat(d.Source)
	if err != nil {
		return nil, gathering(bare(err))
	}
	if !info.IsDir() {
		if info.Mode()&fs.ModeDevice == 0 {
			return nil, gathering(errors.New("not a device node"))
		}
		if err := d.mayOpen(); err != nil {
			return nil, err
		}
		return []Device{d}, nil
	}
	var list []Device
	err = filepath.WalkDir(d.Source, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.Type()&fs.ModeDevice == 0 {
			return nil
		}
		n := Device{Source: p, Target: path.Join(d.Target, strings.TrimPrefix(p, d.Source)), Permissions: d.Permissions}
		if n.mayOpen() == nil {
			list = append(list, n)
		}
		return nil
	})
	if err == nil && len(list) == 0 {
		err = errors.New("no device in it that you may open")
	}
	if err != nil {
		return nil, gathering(err)
	}
	return list, nil
}

// mayOpen checks what the permissions ask for, without opening: an open can
// have effects.
func (d Device) mayOpen() error {
	var mode uint32
	if strings.Contains(d.Permissions, "r") {
		mode |= unix.R_OK
	}
	if strings.Contains(d.Permissions, "w") {
		mode |= unix.W_OK
	}
	if err := unix.Access(d.Source, mode); err != nil {
		return &deviceError{d.Source, err}
	}
	return nil
}

// ThroughGroup reports whether the user may open the device only as a member
// of a further group. With subordinate ids a container's processes leave those
// groups.
func (d Device) ThroughGroup() bool {
	var st unix.Stat_t
	if unix.Stat(d.Source, &st) != nil || int(st.Uid) == os.Getuid() || int(st.Gid) == os.Getgid() {
		return false
	}
	for letter, bit := range map[string]uint32{"r": unix.S_IROTH, "w": unix.S_IWOTH} {
		if strings.Contains(d.Permissions, letter) && st.Mode&bit == 0 {
			return true
		}
	}
	return false
}

// deviceError is a device that is there but closed to the user.
type deviceError struct {
	path string
	err  error
}

func (e *deviceError) Error() string {
	return fmt.Sprintf("error gathering device information while adding custom device %q: %v", e.path, e.err)
}

func (e *deviceError) Unwrap() error { return e.err }

// Hint says who can open it.
func (e *deviceError) Hint() string {
	return "a container can use the devices that you may open yourself: see the owner and group with ls -l " + e.path + "; --privileged does not change that"
}

// bare is the cause of a path error, whose path is told already.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
