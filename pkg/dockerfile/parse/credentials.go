// SPDX-License-Identifier: Apache-2.0

package parse

import (
	"regexp"
	"strings"
	"sync"
)

// userinfo is what stands before the host of a URL, wherever in a text.
var userinfo = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*)://([^\s/?#'"<>]+)@`)
})

// WithoutCredentials hides the names and passwords in a text's URLs: what is
// built is shown, logged and pushed. The user of ssh and git is no secret, a
// password is.
func WithoutCredentials(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return userinfo().ReplaceAllStringFunc(text, func(url string) string {
		scheme, who, _ := strings.Cut(url, "://")
		name, _, secret := strings.Cut(strings.TrimSuffix(who, "@"), ":")
		switch {
		case !strings.EqualFold(scheme, "ssh") && !strings.EqualFold(scheme, "git"):
			name = hidden
		case !secret:
			return url
		}
		if secret {
			name += ":" + hidden
		}
		return scheme + "://" + name + "@"
	})
}

// hidden stands for a part of a credential, as BuildKit writes it.
const hidden = "xxxxx"
