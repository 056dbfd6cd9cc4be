// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"

	"coracle/pkg/oci/reference"
)

// shownName is an image's name with what it means now.
func shownName(name string, digests []string) string {
	shown := reference.Complete(name)
	for _, d := range digests {
		repo, dig, _ := strings.Cut(d, "@")
		if strings.HasPrefix(shown, repo+":") {
			return shown + "@" + dig
		}
	}
	return shown
}
