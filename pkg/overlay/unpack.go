// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"fmt"
	"io"

	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/idtools"
)

// Owner is whom unpacked files are given to.
type Owner struct{ UID, GID int }

// Unpack extracts an uncompressed archive into an existing directory, as the
// files of an image: nothing lands outside of it. All files belong to
// own, or to whom the archive says when own is nil.
func Unpack(r io.Reader, dir string, own *Owner) error {
	o := &archive.TarOptions{InUserNS: true, IgnoreChownErrors: true, WhiteoutFormat: archive.AUFSWhiteoutFormat}
	if own != nil {
		o.ChownOpts = &idtools.IDPair{UID: own.UID, GID: own.GID}
	}
	watch := &attributeWatch{r: r}
	err := archive.Unpack(watch, dir, o)
	if err == nil && watch.seen {
		err = stripAttributes(dir + "/.") // dir may be a link of /proc/self/fd
	}
	if err != nil {
		return explain(fmt.Errorf("unpack archive: %w", err))
	}
	return nil
}
