// SPDX-License-Identifier: Apache-2.0

// Package systemdcmd has the commands that write units of the user's service
// manager: systemd for containers that are there, quadlet for files that describe
// them.
package systemdcmd
