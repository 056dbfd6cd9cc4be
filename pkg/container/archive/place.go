// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"coracle/pkg/container/transfer"
)

// Source is what cp copies.
type Source struct {
	Name     string `json:"-"` // see [transfer.BaseName]
	Dir      bool   `json:"dir"`
	Contents bool   `json:"contents,omitempty"` // of a directory what is in it: it was named with /. at its end
	Existing bool   `json:"existing,omitempty"` // only into a directory that is there
}

// Destination is a place that something is copied to.
type Destination struct {
	Path string         // of the place itself, links followed, with the slash at its end if it was named so
	Info *transfer.Info // nil: nothing is there
}

// maxLinks is how many links are followed one after the other.
const maxLinks = 255

// Find finds what there is at a path, or that there is nothing. Of a link it is
// what the link leads to, also when that is not there yet. stat does not follow
// links at the end; its error about nothing is a *[transfer.NotFoundError].
func Find(dst string, stat func(path string) (transfer.Info, error)) (Destination, error) {
	for range maxLinks {
		info, err := stat(dst)
		var missing *transfer.NotFoundError
		switch {
		case errors.As(err, &missing):
			return Destination{Path: dst}, nil
		case err != nil:
			return Destination{}, err
		case info.Mode&fs.ModeSymlink == 0:
			return Destination{dst, &info}, nil
		case path.IsAbs(info.LinkTarget):
			dst = info.LinkTarget
		default:
			dst = path.Join(path.Dir(dst), info.LinkTarget)
		}
	}
	return Destination{}, fmt.Errorf("%s: too many links", dst)
}

// Reasons of a [PlaceError].
const (
	OntoDevice    = "got a device"
	OntoIrregular = "got an irregular file" // a pipe, a socket
	DirOntoFile   = "cannot copy directory"
	NoDirectory   = "no such directory" // a file was to be copied into it
	NotDirectory  = "not a directory"   // and has to be one
)

// PlaceError says why something cannot be copied to a place.
type PlaceError struct {
	Path   string `json:"path"` // of the place, links followed
	Reason string `json:"reason"`
}

func (e *PlaceError) Error() string { return e.Path + ": " + e.Reason }

// Check says whether src can be copied there; else the error is a *[PlaceError].
func (d Destination) Check(src Source) error {
	refuse := func(reason string) error { return &PlaceError{d.Path, reason} }
	switch {
	case d.Info == nil && src.Existing:
		return refuse(NotDirectory)
	case d.Info == nil && !src.Dir && (strings.HasSuffix(d.Path, "/") || strings.HasSuffix(d.Path, "/.")):
		return refuse(NoDirectory)
	case d.Info == nil || d.Info.Mode.IsDir():
		return nil
	case d.Info.Mode&fs.ModeDevice != 0:
		return refuse(OntoDevice)
	case d.Info.Mode&(fs.ModeIrregular|fs.ModeNamedPipe|fs.ModeSocket) != 0:
		return refuse(OntoIrregular)
	case src.Existing:
		return refuse(NotDirectory)
	case src.Dir:
		return refuse(DirOntoFile)
	}
	return nil
}

// Place decides, as cp does, into which directory src is unpacked and under which
// name; none is for what is in a directory. Whether src is one does not matter.
func (d Destination) Place(src Source) (dir, as string) {
	switch {
	case d.Info != nil && d.Info.Mode.IsDir() && src.Contents:
		return d.Path, ""
	case d.Info != nil && d.Info.Mode.IsDir():
		return d.Path, strings.TrimPrefix(src.Name, "/")
	}
	clean := path.Clean(d.Path)
	return path.Dir(clean), path.Base(clean)
}
