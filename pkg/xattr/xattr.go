// SPDX-License-Identifier: Apache-2.0

package xattr

import (
	"archive/tar"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Capability is where a program's capabilities are, see capabilities(7). Inside
// a user namespace the kernel shows and takes them in the form without an id.
const Capability = "security.capability"

// Kept reports whether the attribute goes along with a copied file.
func Kept(name string) bool {
	return name == Capability || strings.HasPrefix(name, "user.") &&
		!strings.HasPrefix(name, "user.overlay.") && !strings.HasPrefix(name, "user.containers.")
}

// Override and OverrideNames are where the owner of a file is noted that has no id
// (package ids), the latter for the names in a directory that take no attributes.
// The first is that of podman's tools. OverrideMode is where the mode is noted that a
// file cannot have on the disk.
const (
	Override      = "user.containers.override_stat"
	OverrideNames = "user.containers.override_names"
	OverrideMode  = "user.containers.override_mode"
)

// maxSize bounds names and values alike: XATTR_LIST_MAX and XATTR_SIZE_MAX.
const maxSize = 64 << 10

func names(path string, list func(string, []byte) (int, error)) ([]string, error) {
	buf := make([]byte, 1024)
	n, err := list(path, buf)
	if errors.Is(err, unix.ERANGE) {
		buf = make([]byte, maxSize)
		n, err = list(path, buf)
	}
	if errors.Is(err, unix.ENOTSUP) || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "list attributes of", Path: path, Err: err}
	}
	return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), nil
}

// Read returns the attributes of path that are kept; nil when there are none.
// A link at the end of path is not followed.
func Read(path string) (map[string]string, error) {
	return read(path, Kept, unix.Llistxattr, unix.Lgetxattr)
}

// ReadFile is Read of an open file, which may be one opened with O_PATH.
func ReadFile(f *os.File) (map[string]string, error) {
	return read(fdPath(f), Kept, unix.Listxattr, unix.Getxattr)
}

// Stored is Read with the notes about owners, for a copy inside of a store.
func Stored(path string) (map[string]string, error) {
	return read(path, stored, unix.Llistxattr, unix.Lgetxattr)
}

// StoredFile is Stored of an open file, which may be one opened with O_PATH.
func StoredFile(f *os.File) (map[string]string, error) {
	return read(fdPath(f), stored, unix.Listxattr, unix.Getxattr)
}

func stored(name string) bool {
	return Kept(name) || name == Override || name == OverrideNames || name == OverrideMode
}

func read(path string, kept func(string) bool, list func(string, []byte) (int, error), get func(string, string, []byte) (int, error)) (map[string]string, error) {
	all, err := names(path, list)
	if err != nil {
		return nil, err
	}
	var found map[string]string
	for _, name := range all {
		if !kept(name) {
			continue
		}
		value := make([]byte, maxSize)
		n, err := get(path, name, value)
		if err != nil {
			continue // it was removed meanwhile, or may not be read
		}
		if found == nil {
			found = map[string]string{}
		}
		found[name] = string(value[:n])
	}
	return found, nil
}

// WriteFile gives attributes to an open file, which may be one opened with
// O_PATH. It returns the names of those that the file system or the kernel does
// not take, sorted: they are left out, as by everybody else.
func WriteFile(f *os.File, attrs map[string]string) (refused []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		switch err := unix.Setxattr(fdPath(f), name, []byte(attrs[name]), 0); err {
		case nil:
		case unix.ENOTSUP, unix.EPERM, unix.EACCES, unix.EINVAL:
			refused = append(refused, name)
		default:
			return refused, &os.PathError{Op: "set " + name + " of", Path: f.Name(), Err: err}
		}
	}
	return refused, nil
}

// tarPrefix is where archives have attributes, among the records of PAX.
const tarPrefix = "SCHILY.xattr."

// ToHeader puts attributes into the header of an archive's entry.
func ToHeader(h *tar.Header, attrs map[string]string) {
	for name, value := range attrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[tarPrefix+name] = value
	}
}

// FromHeader returns the attributes of an archive's entry that are kept.
func FromHeader(h *tar.Header) map[string]string {
	var attrs map[string]string
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, tarPrefix)
		if !ok || !Kept(name) {
			continue
		}
		if attrs == nil {
			attrs = map[string]string{}
		}
		attrs[name] = value
	}
	return attrs
}

func fdPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
