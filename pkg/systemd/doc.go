// SPDX-License-Identifier: Apache-2.0

// Package systemd is what coracle knows of the service manager: how it is told
// that a service is ready (sd_notify(3)), how its unit files are written and read
// (systemd.syntax(7)), where those of a user are, and how the user's manager is
// asked to read them (org.freedesktop.systemd1(5)). No program is called.
package systemd
