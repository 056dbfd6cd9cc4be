// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"coracle/pkg/cgroup"
)

// ParseCPUs reads a number of CPUs, a decimal, into billionths.
func ParseCPUs(v string) (int64, error) {
	r, ok := new(big.Rat).SetString(v)
	if !ok || len(v) > 64 || strings.ContainsAny(v, "eEpP") {
		return 0, fmt.Errorf("failed to parse %v as a rational number", v)
	}
	nano := r.Mul(r, big.NewRat(1e9, 1))
	if !nano.IsInt() {
		return 0, errors.New("value is too precise")
	}
	if !nano.Num().IsInt64() {
		return 0, fmt.Errorf("failed to parse %v as a rational number", v)
	}
	return nano.Num().Int64(), nil
}

// ParseRate reads DEVICE:RATE, a rate in bytes with a unit, or in operations.
func ParseRate(v, key string) (cgroup.Rate, error) {
	var none cgroup.Rate
	i := strings.LastIndexByte(v, ':')
	if i <= 0 {
		return none, fmt.Errorf("bad format: %s", v)
	}
	device, text := v[:i], v[i+1:]
	if !strings.HasPrefix(device, "/dev/") {
		return none, fmt.Errorf("bad format for device path: %s", v)
	}
	var n uint64
	var err error
	if strings.HasSuffix(key, "bps") {
		var bytes int64
		if bytes, err = units.RAMInBytes(text); err != nil || bytes < 0 {
			return none, fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb", v)
		}
		n = uint64(bytes)
	} else if n, err = strconv.ParseUint(text, 10, 64); err != nil {
		return none, fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>. Number must be a positive integer", v)
	}
	return cgroup.Rate{Device: device, Key: key, Value: n}, nil
}

// isDomain is loose: what a resolver makes of the name is its business, but a
// line of resolv.conf it has to stay.
func isDomain(v string) bool {
	for _, part := range strings.Split(strings.TrimSuffix(v, "."), ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return r != '-' && (r > 0x7f || !IsWord(byte(r))) }) {
			return false
		}
	}
	return true
}

// IsWord reports whether b may be part of a word: a letter, a digit or _.
func IsWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

// SplitCommas takes the values of a flag that are given one by one, or with commas between.
func SplitCommas(list []string) (all []string) {
	for _, s := range list {
		for v := range strings.SplitSeq(s, ",") {
			all = append(all, strings.TrimSpace(v))
		}
	}
	return all
}
