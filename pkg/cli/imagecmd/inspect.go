// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
)

// Inspect is the answer about the image that arg means.
func Inspect(e *command.Env, arg string) (*docker.Image, error) {
	img, _, err := e.Image(arg)
	if err != nil {
		return nil, err
	}
	d, err := e.Details(img.ID)
	if err != nil {
		return nil, err
	}
	return docker.InspectImage(d)
}
