// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// Rotation bounds a log: no file is much larger than Size bytes, and there are
// at most Files of them. A Size of 0 is without bound.
type Rotation struct {
	Size  int64
	Files int
}

// Log drivers.
const (
	JSONFile = "json-file"
	Local    = "local" // the same files, bounded without being asked
	Journald = "journald"
	None     = "none"
)

// Drivers are those that this host has.
func Drivers() []string {
	return slices.DeleteFunc([]string{Journald, JSONFile, Local, None}, func(d string) bool { return Check(d, nil) != nil })
}

// commonOpts are options of every driver; what they choose beside the default
// does not exist here.
var commonOpts = []string{"mode", "max-buffer-size"}

var fileOpts = []string{"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"}

// Check refuses drivers and options that there are not, in Docker's words.
func Check(driver string, opts map[string]string) error {
	var known []string
	switch driver {
	case None:
		return nil
	case JSONFile:
		known = fileOpts
	case Local:
		known = fileOpts[:3]
	case Journald:
		known = fileOpts[3:]
		if _, err := os.Stat(journalSocket); err != nil {
			return errors.New("failed to initialize logging driver: journald is not enabled on this host")
		}
	default:
		return fmt.Errorf("logger: no log driver named '%s' is registered", driver)
	}
	for k := range opts {
		if !slices.Contains(known, k) && !slices.Contains(commonOpts, k) {
			return fmt.Errorf("unknown log opt '%s' for %s log driver", k, driver)
		}
	}
	for _, k := range []string{"labels-regex", "env-regex", "tag"} {
		if opts[k] != "" {
			return fmt.Errorf("log opt '%s' is not supported", k)
		}
	}
	if m := opts["mode"]; m != "" && m != "blocking" && m != "non-blocking" {
		return fmt.Errorf("logger: logging mode not supported: %s", m)
	}
	_, err := RotationOf(driver, opts)
	return err
}

// RotationOf reads max-size and max-file.
func RotationOf(driver string, opts map[string]string) (Rotation, error) {
	r := Rotation{Files: 1}
	if driver == Local {
		r = Rotation{Size: 20 << 20, Files: 5}
	}
	if v, ok := opts["max-size"]; ok {
		n, err := units.FromHumanSize(v)
		switch {
		case driver == Local && err == nil:
			n, err = units.RAMInBytes(v)
		case err == nil && n <= 0:
			err = errors.New("max-size must be a positive number")
		}
		if err != nil {
			return r, err
		}
		r.Size = n
	}
	if v, ok := opts["max-file"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			return r, err
		}
		if n < 1 {
			return r, errors.New("max-file cannot be less than 1")
		}
		r.Files = n
	}
	if v, ok := opts["compress"]; ok {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return r, err
		}
		if b && driver == JSONFile && (r.Size == 0 || r.Files < 2) {
			return r, errors.New("compress cannot be true when max-file is less than 2 or max-size is not set")
		}
	}
	return r, nil
}

// Attributes are the labels and variables that the options name, to be kept
// with every line.
func Attributes(opts, labels map[string]string, env []string) map[string]string {
	all := map[string]string{}
	for _, name := range split(opts["labels"]) {
		if v, ok := labels[name]; ok {
			all[name] = v
		}
	}
	for _, name := range split(opts["env"]) {
		for _, kv := range env {
			if k, v, ok := strings.Cut(kv, "="); ok && k == name {
				all[name] = v
			}
		}
	}
	return all
}

func split(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

// ParseTail reads how many lines are wanted; what is no number means all, as in
// Docker.
func ParseTail(s string) int {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return n
	}
	return -1
}
