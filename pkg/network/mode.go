// SPDX-License-Identifier: Apache-2.0

package network

import "strings"

// The networks that are always there.
const (
	Bridge = "bridge" // the default one: its members reach each other, and have no names there
	Host   = "host"   // the host's own
	None   = "none"   // loopback only
)

// Predefined are the networks that are always there, in the order of lists.
func Predefined() []string { return []string{Bridge, Host, None} }

const sharedPrefix = "container:"

// SharedMode is the mode of a container on the network of another, whose ID (or
// name, before it is looked up) is given.
func SharedMode(container string) string { return sharedPrefix + container }

// SharedWith is the container whose network a mode says is shared; ok is false for
// other modes.
func SharedWith(mode string) (container string, ok bool) {
	return strings.CutPrefix(mode, sharedPrefix)
}

// IsUserDefined reports whether a mode is a network that somebody gave its name.
func IsUserDefined(mode string) bool {
	_, shared := SharedWith(mode)
	return mode != Bridge && mode != Host && mode != None && !shared
}

// HasOwn reports whether a container of a mode has a network namespace of its own
// that may be connected.
func HasOwn(mode string) bool { return mode == Bridge || IsUserDefined(mode) }

// Connectable is the name of the network that arg means, which a container can be
// put on, or taken off, while it exists.
func (n Store) Connectable(arg string) (name string, err error) {
	switch arg {
	case Bridge:
		return Bridge, nil
	case Host:
		return "", refuse(Malformed, "container cannot be disconnected from host network or connected to host network")
	case None:
		return "", refuse(Malformed, "container cannot be connected to multiple networks with one of the networks in private (none) mode")
	}
	w, err := n.Lookup(arg)
	return w.Name, err
}
