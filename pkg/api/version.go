// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strconv"
	"strings"

	"coracle/pkg/docker"
)

// splitVersion takes the version off a path: /v1.44/info. It is empty where the
// client asks for none.
func splitVersion(path string) (version, rest string) {
	v, ok := strings.CutPrefix(path, "/v")
	if !ok {
		return "", path
	}
	v, after, ok := strings.Cut(v, "/")
	if !ok || v == "" || strings.Trim(v, "0123456789.") != "" {
		return "", path
	}
	return v, "/" + after
}

// checkVersion refuses versions that are not spoken, in Docker's words. None is the
// newest.
func checkVersion(v string) (string, error) {
	switch {
	case v == "":
		return docker.APIVersion, nil
	case older(v, docker.MinAPIVersion):
		return "", invalid("client version %s is too old. Minimum supported API version is %s, please upgrade your client to a newer version", v, docker.MinAPIVersion)
	case older(docker.APIVersion, v):
		return "", invalid("client version %s is too new. Maximum supported API version is %s", v, docker.APIVersion)
	}
	return v, nil
}

// older compares versions number by number. What is missing is 0, and so is what is
// no number.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if x, y := part(as, i), part(bs, i); x != y {
			return x < y
		}
	}
	return false
}

func part(list []string, i int) uint64 {
	if i >= len(list) {
		return 0
	}
	n, err := strconv.ParseUint(list[i], 10, 64)
	if err != nil && n == 0 {
		return 0
	}
	return n // as large as there is for one that does not fit
}
