// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"coracle/pkg/systemd"
)

// scopeTime is how long the user's systemd may take to make a scope.
const scopeTime = 10 * time.Second

// Scope asks the user's systemd for a scope unit of its own around process pid,
// delegated to the user. slice is the unit that it is put below; "" leaves it
// to systemd. When the host goes down the process has the time stop to end; below
// zero it has for ever. It returns the scope's cgroup when the process is there. An error
// that is ErrNotDelegated says that the user has no systemd that answers.
func Scope(ctx context.Context, id string, pid int, slice string, stop time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, scopeTime)
	defer cancel()
	conn, err := systemd.UserBus(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotDelegated, err)
	}
	defer conn.Close()
	// The scope of the last start may not be gone yet.
	name := fmt.Sprintf("coracle-%s-%d.scope", id[:min(12, len(id))], pid)
	props := []property{
		{"Description", dbus.MakeVariant("coracle container " + id)},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(pid)})},
		{"Delegate", dbus.MakeVariant(true)},
		{"TimeoutStopUSec", dbus.MakeVariant(stopTime(stop))},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
	}
	if slice != "" {
		props = append(props, property{"Slice", dbus.MakeVariant(slice)})
	}
	ended := make(chan *dbus.Signal, 16)
	conn.Signal(ended)
	if err := conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface(systemd.Interface), dbus.WithMatchMember("JobRemoved")); err != nil {
		return "", fmt.Errorf("ask systemd for a scope: %w", err)
	}
	var job dbus.ObjectPath
	err = conn.Object(systemd.BusName, systemd.ObjectPath).
		CallWithContext(ctx, systemd.Interface+".StartTransientUnit", 0, name, "fail", props, []auxUnit{}).Store(&job)
	if systemd.Unknown(err) {
		return "", ErrNotDelegated // a bus without systemd
	}
	if err == nil {
		err = awaitJob(ctx, ended, job)
	}
	if err != nil {
		return "", fmt.Errorf("ask systemd for a scope: %w", err)
	}
	return cgroupOf(pid)
}

// property is systemd's (sv), auxUnit its (sa(sv)).
type property struct {
	Name  string
	Value dbus.Variant
}

type auxUnit struct {
	Name  string
	Props []property
}

// awaitJob waits for JobRemoved(id, job, unit, result).
func awaitJob(ctx context.Context, signals <-chan *dbus.Signal, job dbus.ObjectPath) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case sig, ok := <-signals:
			if !ok {
				return errors.New("the bus is gone")
			}
			var number uint32
			var path dbus.ObjectPath
			var unit, result string
			if dbus.Store(sig.Body, &number, &path, &unit, &result) != nil || path != job {
				continue
			}
			if result != "done" {
				return errors.New(result)
			}
			return nil
		}
	}
}

// ScopeControllers are the controllers that a scope would have: those of the
// user's service manager. There are none without it.
func ScopeControllers() []string {
	_, mount, err := ownCgroup()
	if err != nil || !systemd.HasBus() {
		return nil
	}
	uid := strconv.Itoa(os.Getuid())
	dir := filepath.Join(mount, "user.slice", "user-"+uid+".slice", "user@"+uid+".service")
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// stopTime is a time in the microseconds of systemd, whose greatest number is for
// ever.
func stopTime(d time.Duration) uint64 {
	if d < 0 {
		return math.MaxUint64
	}
	return uint64(d.Microseconds())
}
