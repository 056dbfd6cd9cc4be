// SPDX-License-Identifier: Apache-2.0

package parse

import "testing"

func TestWithoutCredentials(t *testing.T) {
	for text, want := range map[string]string{
		"ADD https://u:p@host/f /":      "ADD https://xxxxx:xxxxx@host/f /",
		"ARG T=https://token@host":      "ARG T=https://xxxxx@host",
		"a http://u:p@q@h b ftp://u:@h": "a http://xxxxx:xxxxx@h b ftp://xxxxx:xxxxx@h",
		"HTTPS://U:P@h":                 "HTTPS://xxxxx:xxxxx@h",
		"ssh://git@host/r":              "ssh://git@host/r",
		"ssh://git:pw@host/r":           "ssh://git:xxxxx@host/r",
		"https://host/a@b":              "https://host/a@b",
		"https://host?q=a@b":            "https://host?q=a@b",
		"mail a@b":                      "mail a@b",
	} {
		if got := WithoutCredentials(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
