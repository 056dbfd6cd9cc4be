// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// Why there is only a single id; Maps.Reason.
const (
	reasonAsked     = "CORACLE_SINGLE_ID is set"
	reasonNoNewPriv = "no_new_privs is set, with which newuidmap and newgidmap have no privilege"
	notInstalled    = " is not installed"
	powerless       = " has no privilege here: the container around lacks CAP_SYS_ADMIN"
)

// Remedy says how to get more ids than these.
func (m Maps) Remedy() string {
	switch {
	case m.Reason == reasonAsked:
		return "unset CORACLE_SINGLE_ID"
	case m.Reason == reasonNoNewPriv:
		return "start coracle without no_new_privs (in a unit: NoNewPrivileges=no)"
	case strings.HasSuffix(m.Reason, powerless):
		return "in the image of the container around: chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap; setcap cap_setuid=ep /usr/bin/newuidmap; setcap cap_setgid=ep /usr/bin/newgidmap"
	case strings.HasSuffix(m.Reason, notInstalled):
		return "the host's administrator can install " + strings.TrimSuffix(m.Reason, notInstalled) + " (package uidmap, or shadow-utils)"
	}
	what := "subordinate ids"
	if !m.Single() {
		what = "more subordinate ids"
	}
	return "the host's administrator can give you " + what + ": " + usermod()
}

// usermod is the command that gives the caller subordinate ids which nobody has.
func usermod() string {
	from := freeSubIDs("/etc/subuid", "/etc/subgid", "/etc/passwd", "/etc/group")
	ids := strconv.Itoa(from) + "-" + strconv.Itoa(from+subIDCount-1)
	uid := HostUID()
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil { // usermod knows accounts only
		return fmt.Sprintf("echo %d:%d:%d | sudo tee -a /etc/subuid /etc/subgid", uid, from, subIDCount)
	}
	name := u.Username
	return "usermod --add-subuids " + ids + " --add-subgids " + ids + " " + name
}

// The defaults of login.defs(5): the least subordinate id, and how many a user
// is given.
const (
	subIDMin   = 100000
	subIDCount = 65536
)

// freeSubIDs finds the first of subIDCount ids that come after everything that
// subuid(5) and subgid(5) give away, and after the accounts that lie there.
func freeSubIDs(subuid, subgid, passwd, group string) int {
	from := subIDMin
	for _, path := range []string{subuid, subgid} {
		for _, f := range fields(path, 3) {
			first, err1 := strconv.ParseUint(f[1], 10, 32)
			count, err2 := strconv.ParseUint(f[2], 10, 32)
			if err1 == nil && err2 == nil && first+count < maxSubID {
				from = max(from, int(first+count))
			}
		}
	}
	for _, path := range []string{passwd, group} {
		for _, f := range fields(path, 3) {
			// Above are those of networks and services, nobody for one.
			if id, err := strconv.ParseUint(f[2], 10, 32); err == nil && id < maxSubID {
				from = max(from, int(id)+1)
			}
		}
	}
	return from
}

// maxSubID is SUB_UID_MAX of login.defs(5).
const maxSubID = 600100000

// fields are the lines of a file with so many fields at least.
func fields(path string, least int) [][]string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var list [][]string
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= least && !strings.HasPrefix(line, "#") {
			list = append(list, f)
		}
	}
	return list
}
