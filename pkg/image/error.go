// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// ConflictError is an image that cannot be removed as it was asked for.
type ConflictError struct {
	Image     string // as it was asked for, or its ID
	Container string // 12 hex digits of one that uses it; none: it has names in several repositories
	Running   bool   // the container runs: no force removes the image
}

func (e *ConflictError) Error() string {
	switch {
	case e.Container == "":
		return fmt.Sprintf("conflict: unable to delete %s (must be forced) - image is referenced in multiple repositories", e.Image)
	case e.Running:
		return fmt.Sprintf("conflict: unable to delete %s (cannot be forced) - image is being used by running container %s", e.Image, e.Container)
	}
	return fmt.Sprintf("conflict: unable to delete %s (must be forced) - image is being used by stopped container %s", e.Image, e.Container)
}

// PlatformError is an image that is for another platform than was asked for.
type PlatformError struct {
	Image    string // as it was asked for
	Platform string // likewise
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("image with reference %s was found but does not provide the specified platform (%s)", e.Image, e.Platform)
}

// checkPlatforms refuses platforms that the image is not for. Variants are not
// compared: the name of one is in few configurations.
func checkPlatforms(arg string, asked []string, img overlay.Image) error {
	for _, a := range asked {
		p, err := oci.ParsePlatform(a)
		if err != nil {
			return err
		}
		if p.OS != img.OS || p.Architecture != img.Architecture {
			return &PlatformError{Image: arg, Platform: a}
		}
	}
	return nil
}

// Failure is any other reason why one of several things was not done.
type Failure struct {
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
	NoName  bool   `json:"noName,omitempty"` // what was asked for is not the name of any image
}

func (f *Failure) Error() string { return f.Message }

// Is finds [oci.ErrInvalidReference].
func (f *Failure) Is(target error) bool { return f.NoName && target == oci.ErrInvalidReference }

// Hint says what the user can do, or is empty.
func (f *Failure) Hint() string { return f.Remedy }
