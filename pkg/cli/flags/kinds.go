// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/docker"
	"coracle/pkg/network"
	"coracle/pkg/oci"
)

// kind is what the values of a flag are: the word that help has for them, and
// what refuses a text that is none, in the words of Docker's parser of flags
// (docker/cli 29, package opts, and spf13/pflag). A nil check takes any text.
type kind struct {
	word  string
	check func(value string) error
}

// kindOf returns the kind of a flag: that of its name, which Docker uses for
// one kind of value in all commands, or else that of its Go type.
func kindOf(f cli.Flag) kind {
	f = plain(f)
	switch f.(type) {
	case *cli.BoolFlag:
		return kind{"", checkBool}
	case *cli.DurationFlag:
		return kind{"duration", checkDuration}
	}
	if _, list := f.(*cli.StringSliceFlag); list && len(Names(f)) == 1 && Names(f)[0] == "attach" {
		return kind{"list", nil} // compose's: of services
	}
	if k, ok := namedKind(Names(f)[0]); ok {
		return k
	}
	switch f.(type) {
	case *cli.IntFlag, *cli.Int64Flag:
		return kind{"int", checkInt}
	case *cli.StringSliceFlag:
		return kind{"list", nil}
	}
	return kind{"string", nil}
}

// namedKind is the kind of the flags of a name, of those that take text.
func namedKind(name string) (kind, bool) {
	switch name {
	case "memory", "memory-reservation", "kernel-memory", "shm-size", "io-maxbandwidth", "keep-storage", "reserved-space", "max-used-space", "min-free-space":
		return kind{"bytes", checkBytes}, true
	case "memory-swap":
		return kind{"bytes", checkSwap}, true
	case "cpus":
		return kind{"decimal", func(v string) error { _, err := docker.ParseCPUs(v); return err }}, true
	case "blkio-weight":
		return kind{"uint16", func(v string) error { _, err := strconv.ParseUint(v, 0, 16); return err }}, true
	case "cpu-count", "cpu-percent", "cpu-rt-period", "cpu-rt-runtime":
		return kind{"int", checkInt}, true
	case "io-maxiops":
		return kind{"uint", func(v string) error { _, err := strconv.ParseUint(v, 0, 64); return err }}, true
	case "blkio-weight-device":
		return kind{"list", func(v string) error { _, err := docker.ParseWeight(v); return err }}, true
	case "device-read-bps", "device-write-bps":
		return kind{"list", func(v string) error { _, err := docker.ParseThrottle(v, true); return err }}, true
	case "device-read-iops", "device-write-iops":
		return kind{"list", func(v string) error { _, err := docker.ParseThrottle(v, false); return err }}, true
	case "device-cgroup-rule":
		return kind{"list", checkDeviceRule}, true
	case "filter":
		return kind{"filter", checkFilter}, true
	case "gpus":
		return kind{"gpu-request", func(v string) error { _, err := docker.ParseGPUs(v); return err }}, true
	case "umask":
		return kind{"umask", checkUmask}, true
	case "ulimit":
		return kind{"ulimit", func(v string) error { _, err := units.ParseUlimit(v); return err }}, true
	case "tag":
		return kind{"list", checkTag}, true
	case "attach":
		return kind{"list", checkStream}, true
	}
	if k, ok := netKind(name); ok {
		return k, true
	}
	return pairKind(name)
}

// netKind is namedKind of the flags about the network.
func netKind(name string) (kind, bool) {
	switch name {
	case "ip", "ip6":
		return kind{"ip", func(v string) error {
			if _, err := netip.ParseAddr(strings.TrimSpace(v)); v != "" && err != nil {
				return fmt.Errorf("failed to parse IP: %q", v)
			}
			return nil
		}}, true
	case "gateway":
		return kind{"ipSlice", func(v string) error {
			for _, a := range SplitCommas([]string{v}) {
				if _, err := netip.ParseAddr(strings.TrimSpace(a)); err != nil {
					return fmt.Errorf("invalid string being converted to IP address: %s", a)
				}
			}
			return nil
		}}, true
	case "ip-range":
		return kind{"ipNetSlice", func(v string) error {
			if _, _, err := net.ParseCIDR(strings.TrimSpace(v)); err != nil {
				return fmt.Errorf("invalid string being converted to CIDR: %s", v)
			}
			return nil
		}}, true
	case "add-host":
		return kind{"list", func(v string) error { _, err := network.ParseAddHosts([]string{v}); return err }}, true
	case "dns":
		return kind{"list", checkAddress}, true
	case "dns-search":
		return kind{"list", func(v string) error {
			if v = strings.Trim(v, " "); v != "." && !docker.IsDomain(v) {
				return fmt.Errorf("%s is not a valid domain", v)
			}
			return nil
		}}, true
	case "link":
		return kind{"list", func(v string) error {
			if v == "" {
				return errors.New("empty string specified for links")
			}
			if strings.Count(v, ":") > 1 {
				return errors.New("bad format for links: " + v)
			}
			return nil
		}}, true
	case "network":
		return kind{"network", nil}, true
	}
	return kind{}, false
}

// pairKind is namedKind of the flags that take KEY=VALUE.
func pairKind(name string) (kind, bool) {
	switch name {
	case "env", "build-arg":
		return kind{"list", func(v string) error {
			if k, _, _ := strings.Cut(v, "="); k == "" {
				return errors.New("invalid environment variable: " + v)
			}
			return nil
		}}, true
	case "label":
		return kind{"list", checkLabel}, true
	case "sysctl":
		return kind{"map", func(v string) error {
			if k, _, ok := strings.Cut(v, "="); !ok || !docker.NamespacedSysctl(k) {
				return fmt.Errorf("sysctl '%s' is not allowed", v)
			}
			return nil
		}}, true
	case "annotation", "opt", "aux-address", "ipam-opt":
		return kind{"map", nil}, true
	case "mount":
		return kind{"mount", func(v string) error { _, err := docker.ParseMount(v); return err }}, true
	}
	return kind{}, false
}

func checkBool(v string) error {
	_, err := strconv.ParseBool(v)
	return err
}

func checkInt(v string) error {
	_, err := strconv.ParseInt(v, 0, 64)
	return err
}

func checkDuration(v string) error {
	_, err := time.ParseDuration(v)
	return err
}

func checkBytes(v string) error {
	_, err := units.RAMInBytes(v)
	return err
}

func checkSwap(v string) error {
	if v == "-1" {
		return nil
	}
	return checkBytes(v)
}

func checkFilter(v string) error {
	if v != "" && !strings.Contains(v, "=") {
		return errors.New("bad format of filter (expected name=value)")
	}
	return nil
}

func checkUmask(v string) error {
	if n, err := strconv.ParseUint(v, 8, 32); v != "" && (err != nil || n > 0o777) {
		return fmt.Errorf("invalid umask %q: must be an octal number between 0000 and 0777", v)
	}
	return nil
}

func checkTag(v string) error {
	if ref, err := oci.ParseRef(v); err != nil || ref.Digest() != "" {
		return oci.ErrInvalidReference
	}
	return nil
}

func checkStream(v string) error {
	switch strings.ToLower(v) {
	case "stdin", "stdout", "stderr":
		return nil
	}
	return errors.New("valid streams are STDIN, STDOUT and STDERR")
}

func checkAddress(v string) error {
	if _, err := netip.ParseAddr(strings.TrimSpace(v)); err != nil {
		return fmt.Errorf("IP address is not correctly formatted: %s", v)
	}
	return nil
}

// checkLabel takes KEY and KEY=VALUE.
func checkLabel(v string) error {
	const space = " \t"
	key, _, _ := strings.Cut(v, "=")
	key = strings.TrimLeft(key, space)
	switch {
	case key == "":
		return fmt.Errorf("invalid label '%s': empty name", v)
	case strings.ContainsAny(key, space):
		return fmt.Errorf("label '%s' contains whitespaces", key)
	}
	return nil
}

func checkDeviceRule(v string) error {
	if !regexp.MustCompile(`^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$`).MatchString(v) {
		return fmt.Errorf("invalid device cgroup format '%s'", v)
	}
	return nil
}

// deprecation is what Docker says of a flag that it takes for old scripts only,
// or nothing.
func deprecation(cmd, name string) string {
	words := ""
	switch name {
	case "time":
		words = "use --timeout instead"
	case "pause":
		words = "and enabled by default. Use --no-pause to disable pausing during commit."
	case "kernel-memory":
		words = "and no longer supported by the kernel"
	case "disable-content-trust":
		words = "support for docker content trust was removed"
	}
	if words == "" || name == "pause" && cmd != "commit" || name == "time" && cmd == "api" {
		return ""
	}
	return "Flag --" + name + " has been deprecated, " + words
}
