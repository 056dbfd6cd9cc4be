// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// The manager's names on a bus, see org.freedesktop.systemd1(5).
const (
	BusName    = "org.freedesktop.systemd1"
	ObjectPath = "/org/freedesktop/systemd1"
	Interface  = "org.freedesktop.systemd1.Manager"
)

// ErrNoManager says that the user has no service manager that can be asked.
var ErrNoManager = errors.New("no service manager of the user answers")

// UserBus connects to the user's bus. Its error is ErrNoManager.
func UserBus(ctx context.Context) (*dbus.Conn, error) {
	address := busAddress()
	if address == "" {
		return nil, ErrNoManager
	}
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("%w: connect to the user's bus: %w", ErrNoManager, err)
	}
	return conn, nil
}

// HasBus reports whether the user has a bus.
func HasBus() bool { return busAddress() != "" }

func busAddress() string {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a
	}
	bus := filepath.Join(runtimeDir(), "bus")
	if _, err := os.Stat(bus); err != nil {
		return ""
	}
	return "unix:path=" + bus
}

func runtimeDir() string {
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return d
	}
	return "/run/user/" + strconv.Itoa(os.Getuid())
}

// reloadTime is how long the manager may take to read its units.
const reloadTime = 30 * time.Second

// Reload asks the user's manager to read its units again, as `systemctl --user
// daemon-reload` does. Without one the error is ErrNoManager.
func Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	conn, err := UserBus(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	err = conn.Object(BusName, ObjectPath).CallWithContext(ctx, Interface+".Reload", 0).Err
	if Unknown(err) {
		return ErrNoManager
	}
	if err != nil {
		return fmt.Errorf("ask systemd to read its units: %w", err)
	}
	return nil
}

// ActiveState is a unit's: active, activating, inactive, failed; "" when nobody
// can be asked or the unit is not known.
func ActiveState(ctx context.Context, unit string) (state string) {
	property(ctx, unit, "Unit", "ActiveState", &state)
	return state
}

// Delegates reports whether a service of the user's may make cgroups below its own
// (Delegate=).
func Delegates(ctx context.Context, service string) (yes bool) {
	property(ctx, service, "Service", "Delegate", &yes)
	return yes
}

// property asks the user's manager for a property of a unit that is loaded. Where
// there is no answer, value stays as it is.
func property(ctx context.Context, unit, kind, name string, value any) {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	conn, err := UserBus(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	var path dbus.ObjectPath
	if conn.Object(BusName, ObjectPath).CallWithContext(ctx, Interface+".GetUnit", 0, unit).Store(&path) == nil {
		_ = conn.Object(BusName, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, BusName+"."+kind, name).Store(value)
	}
}

// Unknown reports whether an answer says that the bus has no systemd.
func Unknown(err error) bool {
	var refused dbus.Error
	return errors.As(err, &refused) && refused.Name == "org.freedesktop.DBus.Error.ServiceUnknown"
}

// RunsHost reports whether systemd is what runs this host (sd_booted(3)).
func RunsHost() bool {
	_, err := os.Lstat("/run/systemd/system")
	return err == nil
}
