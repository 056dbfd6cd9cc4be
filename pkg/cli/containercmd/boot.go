// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/doctor"
	"coracle/pkg/systemd"
)

// TellOfBoot says, once for all containers, what a restart policy needs when the
// host was started: there is no daemon. Where a unit of the user sees to it there
// is nothing to say, but for a manager that does not begin before a login; a
// crontab cannot be looked into.
func TellOfBoot(e *command.Env, ctr *container.Container) {
	if p := ctr.Life.Restart.Name; p != "always" && p != "unless-stopped" {
		return
	}
	if os.Getenv("INVOCATION_ID") != "" {
		return // this is a unit
	}
	program, err := os.Executable()
	if err != nil {
		program = e.Program
	}
	told := e.Dirs.ToldOfBoot()
	if _, err := os.Lstat(told); err == nil {
		return
	}
	linger := doctor.Lingering()
	var say string
	switch {
	case !systemd.RunsHost():
		say = fmt.Sprintf("nothing starts %s again after a boot, unless your crontab has: @reboot %s start --boot", ctr.Name, program)
	case !startsAtBoot():
		say = fmt.Sprintf("nothing starts %s again after a boot: see `%s systemd install %s`, or put into your crontab: @reboot %s start --boot", ctr.Name, e.Program, ctr.Name, program)
		if linger.State == doctor.Partly {
			say += "; for a unit without a login: " + linger.Remedy
		}
	case linger.State == doctor.Partly:
		say = fmt.Sprintf("%s is started again after a boot when you log in; for that without a login: %s", ctr.Name, linger.Remedy)
	default:
		return
	}
	fmt.Fprintln(e.Stderr, "note: "+say)
	_ = os.WriteFile(told, nil, 0o600)
}

// startsAtBoot reports whether a unit of the user's that is started by itself starts
// what is to run after a boot.
func startsAtBoot() bool {
	dir, err := systemd.UserDir()
	if err != nil {
		return false
	}
	wanted, _ := filepath.Glob(filepath.Join(string(dir), "*.wants", "*.service"))
	for _, unit := range wanted {
		if text, err := os.ReadFile(unit); err == nil && strings.Contains(string(text), "start --boot") {
			return true
		}
	}
	return false
}
