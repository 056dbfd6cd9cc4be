// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/blkiodev"
)

// ParseCPUs reads a number of CPUs, a decimal, into billionths.
func ParseCPUs(v string) (int64, error) {
	r, ok := new(big.Rat).SetString(v)
	if !ok || len(v) > 64 || strings.ContainsAny(v, "eEpP") {
		return 0, invalid("failed to parse %v as a rational number", v)
	}
	nano := r.Mul(r, big.NewRat(1e9, 1))
	if !nano.IsInt() {
		return 0, invalid("value is too precise")
	}
	if !nano.Num().IsInt64() {
		return 0, invalid("failed to parse %v as a rational number", v)
	}
	return nano.Num().Int64(), nil
}

// ParseThrottle reads DEVICE:RATE: a rate in bytes with a unit, or in operations.
func ParseThrottle(v string, bytes bool) (*blkiodev.ThrottleDevice, error) {
	i := strings.LastIndexByte(v, ':')
	if i <= 0 {
		return nil, invalid("bad format: %s", v)
	}
	device, text := v[:i], v[i+1:]
	if !strings.HasPrefix(device, "/dev/") {
		return nil, invalid("bad format for device path: %s", v)
	}
	if !bytes {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, invalid("invalid rate for device: %s. The correct format is <device-path>:<number>. Number must be a positive integer", v)
		}
		return &blkiodev.ThrottleDevice{Path: device, Rate: n}, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n < 0 {
		return nil, invalid("invalid rate for device: %s. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb", v)
	}
	return &blkiodev.ThrottleDevice{Path: device, Rate: uint64(n)}, nil
}

// ParseWeight reads DEVICE:WEIGHT.
func ParseWeight(v string) (*blkiodev.WeightDevice, error) {
	device, weight, ok := strings.Cut(v, ":")
	switch {
	case !ok || device == "":
		return nil, invalid("bad format: %s", v)
	case !strings.HasPrefix(device, "/dev/"):
		return nil, invalid("bad format for device path: %s", v)
	}
	n, err := strconv.ParseUint(weight, 10, 16)
	if err != nil || n > 0 && (n < 10 || n > 1000) {
		return nil, invalid("invalid weight for device: %s", v)
	}
	return &blkiodev.WeightDevice{Path: device, Weight: uint16(n)}, nil
}
