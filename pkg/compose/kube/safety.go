// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// safety sets who a container's processes are, and what they may do.
func (p *pod) safety(c *container, s types.ServiceConfig) {
	t := &ctrContext{Privileged: s.Privileged, ReadOnly: s.ReadOnly}
	p.user(t, s)
	if add, drop := capabilityNames(s.CapAdd), capabilityNames(s.CapDrop); len(add)+len(drop) > 0 {
		t.Capabilities = &capabilities{add, drop}
	}
	for _, opt := range s.SecurityOpt {
		if !p.option(t, s, opt) {
			p.say(s, "security_opt", "%s: not carried over: it is the node's matter", opt)
		}
	}
	if !reflect.ValueOf(*t).IsZero() {
		c.Security = t
	}
}

// user takes numbers: a name is in the image, where the cluster does not look.
func (p *pod) user(t *ctrContext, s types.ServiceConfig) {
	if s.User == "" {
		return
	}
	user, group, both := strings.Cut(s.User, ":")
	uid, err := strconv.ParseInt(user, 10, 32)
	if err != nil || uid < 0 {
		p.say(s, "user", "%s: not carried over: write its numbers", s.User)
		return
	}
	t.User = &uid
	if gid, err := strconv.ParseInt(group, 10, 32); err == nil && gid >= 0 {
		t.Group = &gid
	} else if both && group != "" {
		p.say(s, "user", "the group %s: not carried over: write its number", group)
	}
}

// capabilityNames are without CAP_, as Kubernetes has them.
func capabilityNames(list []string) (names []string) {
	for _, name := range list {
		names = append(names, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	return names
}

// option takes one of security_opt, or reports that there is no field for it.
func (p *pod) option(t *ctrContext, s types.ServiceConfig, opt string) bool {
	key, value, ok := strings.Cut(opt, "=")
	if !ok {
		key, value, _ = strings.Cut(opt, ":")
	}
	yes := value == "" || value == "true"
	switch {
	case key == "no-new-privileges" && (yes || value == "false"):
		// The API refuses the two together.
		if no := !yes; !yes || !s.Privileged {
			t.Escalation = &no
			return true
		}
		return false
	case key == "seccomp" && value == "unconfined":
		t.Seccomp = &profile{Type: "Unconfined"}
	case key == "apparmor" && value == "unconfined":
		t.AppArmor = &profile{Type: "Unconfined"}
	case key == "apparmor" && value != "":
		t.AppArmor = &profile{"Localhost", value}
	case key == "label":
		return selinuxLabel(t, value)
	default:
		return false
	}
	return true
}

func selinuxLabel(t *ctrContext, text string) bool {
	part, value, _ := strings.Cut(text, ":")
	l := selinux{}
	if t.SELinux != nil {
		l = *t.SELinux
	}
	field := map[string]*string{"user": &l.User, "role": &l.Role, "type": &l.Type, "level": &l.Level}[part]
	if field == nil || value == "" {
		return false
	}
	*field = value
	t.SELinux = &l
	return true
}
