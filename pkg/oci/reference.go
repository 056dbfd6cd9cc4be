// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strings"

	"coracle/pkg/oci/reference"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Ref is the name of an image, completed as Docker completes it.
type Ref = reference.Ref

// ErrInvalidReference is what every malformed name is, in Docker's words.
var ErrInvalidReference = reference.ErrInvalid

// ParseRef reads a name as a user types it.
func ParseRef(s string) (Ref, error) { return reference.Parse(s) }

// Familiar shortens a canonical name.
func Familiar(name string) string { return reference.Familiar(name) }

// SplitName divides a canonical name into repository and tag, or repository
// and digest, both as Docker shows them.
func SplitName(name string) (repo, tag string) { return reference.Split(name) }

// NotFoundError says that no image has the given name or ID.
type NotFoundError struct{ Arg string }

func (e *NotFoundError) Error() string { return "No such image: " + e.Arg }

// Lookup finds an image by name, or by its ID or a beginning of it. name is the
// canonical form of what was found by name or digest, else empty. An image that
// is not there is a [*NotFoundError].
func Lookup(ix *overlay.Index, arg string) (img overlay.Image, name string, err error) {
	id, isID := strings.CutPrefix(arg, "sha256:")
	ref, perr := ParseRef(arg)
	if perr == nil && !isID {
		if img, ok := ix.Find(ref.Name()); ok {
			return img, ref.Name(), nil
		}
	}
	if state.IsHex(id) && len(id) <= 64 {
		var found []overlay.Image
		for _, img := range ix.Images {
			if strings.HasPrefix(img.ID, id) {
				found = append(found, img)
			}
		}
		switch len(found) {
		case 1:
			return found[0], "", nil
		case 0:
		default:
			return overlay.Image{}, "", fmt.Errorf("ambiguous reference: image ID prefix %s matches %d images", arg, len(found))
		}
	}
	if perr != nil && !isID && !reference.IsFullID(arg) {
		return overlay.Image{}, "", perr
	}
	shown := arg
	if perr == nil && !isID {
		shown = ref.Familiar()
	}
	return overlay.Image{}, "", &NotFoundError{Arg: shown}
}
