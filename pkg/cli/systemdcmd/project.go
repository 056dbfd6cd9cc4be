// SPDX-License-Identifier: Apache-2.0

package systemdcmd

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"coracle/pkg/cli/command"
	"coracle/pkg/systemd"
)

// Project is a Compose project that a unit starts and stops.
type Project struct {
	Name  string        // compose-go has made it lower-case letters, digits, - and _
	Files []string      // absolute
	Dir   string        // absolute: what names in the files are relative to
	Flags []string      // of compose, further ones: --env-file, --profile
	Stop  time.Duration // that all services may take to end, one after the other; below zero: for ever
}

func projectUnit(name string) string { return "coracle-compose-" + name + ".service" }

// up are the words after the program's that start the project.
func (p Project) up() []string {
	words := []string{"compose", "--project-name", p.Name, "--project-directory", p.Dir}
	for _, f := range p.Files {
		words = append(words, "--file", f)
	}
	return slices.Concat(words, p.Flags, []string{"up", "--detach", "--no-build"})
}

// unitOfProject is the service that starts a project and is there until it is to
// stop. Its containers' own policies start them again meanwhile. It neither builds nor
// removes anything, and does not wait for the network, which a user's manager has no
// target for.
func unitOfProject(p Project, own program) *systemd.Unit {
	u := &systemd.Unit{}
	u.Section("Unit").Add("Description", systemd.Literal("Compose project "+p.Name+" ("+strings.Join(p.Files, ", ")+")"))
	s := u.Section("Service")
	s.Add("Type", "oneshot")
	s.Add("RemainAfterExit", "yes")
	s.Add("ExecStart", own.line(p.up()...))
	s.Add("ExecStop", own.line("compose", "--project-name", p.Name, "stop"))
	s.Add("KillMode", "mixed")
	s.Add("Delegate", "yes") // for limits
	s.Add("TimeoutStartSec", "infinity")
	stop := "infinity"
	if p.Stop >= 0 {
		stop = strconv.Itoa(int((p.Stop + stopMargin).Seconds()))
	}
	s.Add("TimeoutStopSec", stop)
	s.Add("SyslogIdentifier", systemd.Literal(p.Name))
	u.Section("Install").Add("WantedBy", "default.target")
	return u
}

// InstallProject writes and enables the unit of a project, and says what else it takes
// for the project to come back after a boot.
func InstallProject(ctx context.Context, e *command.Env, p Project) error {
	own, err := ownProgram(e)
	if err != nil {
		return err
	}
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	name := projectUnit(p.Name)
	if err := dir.Install(name, unitOfProject(p, own)); err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, filepath.Join(string(dir), name))
	reload(ctx, e)
	if !systemd.RunsHost() {
		fmt.Fprintln(e.Stderr, "without systemd a line of your crontab does it: "+atReboot(own, p))
		return nil
	}
	fmt.Fprintf(e.Stderr, "start it now: systemctl --user start %s\n", name)
	sayLingering(e)
	return nil
}

// UninstallProject removes the unit of a project, whose containers go on.
func UninstallProject(ctx context.Context, e *command.Env, name string) error {
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	return remove(ctx, e, dir, projectUnit(name), "project "+name)
}

// ProjectStatus shows the unit of a project, and whether it outlives the session.
func ProjectStatus(ctx context.Context, e *command.Env, name string) error {
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	unit := projectUnit(name)
	if _, err := dir.Read(unit); err != nil {
		return fmt.Errorf("project %s has no unit", name)
	}
	printUnits(ctx, e, dir, []string{unit})
	tellLingering(e)
	return nil
}

// atReboot is the line of crontab(5) that brings a project up: words of the shell, in
// which cron takes % for the end of the line.
func atReboot(own program, p Project) string {
	words := []string{own.path}
	if own.root != "" {
		words = append(words, "--root", own.root)
	}
	words = append(words, p.up()...)
	for i, w := range words {
		if strings.ContainsFunc(w, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/.,:@_+-", r)
		}) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return "@reboot " + strings.ReplaceAll(strings.Join(words, " "), "%", `\%`)
}
