// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"cmp"
	"strconv"
	"strings"

	"coracle/pkg/container"
	"coracle/pkg/ids"
)

// keepID is podman's mode in which the caller has his own id inside.
const keepID = "keep-id"

// KeepsID reports whether a mode of the user namespace asks for another one than
// every container has.
func KeepsID(mode string) bool { return mode == keepID || strings.HasPrefix(mode, keepID+":") }

// setUserns takes the mode of the user namespace. As in podman the process is the
// kept user where no other is asked for, whatever the image says.
func (d *draft) setUserns() error {
	mode := cmp.Or(string(d.req.HostConfig.UsernsMode), d.w.Userns)
	switch {
	case mode == "", mode == "host":
		d.rec.Safety.Userns.Mode = mode
		return nil
	case !KeepsID(mode):
		return invalid("--userns: invalid USER mode")
	}
	caller, name := d.w.Caller()
	if caller.UID == 0 {
		return invalid("keep-id is only supported in rootless mode")
	}
	k, err := parseKeep(mode, caller)
	if err != nil {
		return err
	}
	u := container.Userns{Mode: mode, Keep: &k, Name: name}
	if u.Copied, err = d.w.Copies(k); err != nil {
		return err
	}
	if p := &d.rec.Process; d.req.User == "" {
		before := p.User
		u.User, p.User = &before, strconv.FormatUint(uint64(k.UID), 10)+":"+strconv.FormatUint(uint64(k.GID), 10)
	}
	d.rec.Safety.Userns = u
	return nil
}

// parseKeep reads keep-id[:uid=N,gid=M]; what it does not say is as for the caller.
func parseKeep(mode string, k ids.Keep) (ids.Keep, error) {
	_, options, _ := strings.Cut(mode, ":")
	if options == "" {
		return k, nil
	}
	for o := range strings.SplitSeq(options, ",") {
		name, value, _ := strings.Cut(o, "=")
		to := map[string]*uint32{"uid": &k.UID, "gid": &k.GID}[name]
		if to == nil {
			return k, invalid("unknown option specified: %q", name)
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return k, invalid("--userns %s: %s is no id: uids and gids must be in range 0-2147483647", mode, strconv.Quote(value))
		}
		*to = uint32(n)
	}
	return k, nil
}
