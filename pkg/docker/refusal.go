// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"errors"
	"fmt"
	"net/http"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/image"
	"coracle/pkg/network"
	"coracle/pkg/oci"
	"coracle/pkg/volume"
)

// Kind is why something was not done. Docker's API says it as a status of HTTP,
// the command line as an exit code.
type Kind int

// The kinds of refusals.
const (
	Failure      Kind = iota // nothing that the request could have said better
	Invalid                  // the request cannot be meant
	Forbidden                // it may not be done to this
	NotFound                 // what it is about is not there
	Conflict                 // what it is about is in another state, or in use
	NotModified              // it is so already
	NotSupported             // no engine without root can do it
	Unavailable              // it needs something that this host is no part of
	Unauthorized             // the credentials that came along are not taken
)

// Status is the status of HTTP with which Docker's API answers.
func (k Kind) Status() int {
	switch k {
	case Invalid:
		return http.StatusBadRequest
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case NotModified:
		return http.StatusNotModified
	case NotSupported:
		return http.StatusNotImplemented
	case Unavailable:
		return http.StatusServiceUnavailable
	case Unauthorized:
		return http.StatusUnauthorized
	}
	return http.StatusInternalServerError
}

// Refusal says, in Docker's words, that something was not done.
type Refusal struct {
	Kind    Kind
	Message string
	Remedy  string // what the user can do, or nothing
	Cause   error  // or nil
}

func (r *Refusal) Error() string { return r.Message }
func (r *Refusal) Unwrap() error { return r.Cause }

// Hint is what the user can do, or nothing.
func (r *Refusal) Hint() string {
	var h interface{ Hint() string }
	if r.Remedy == "" && errors.As(r.Cause, &h) {
		return h.Hint()
	}
	return r.Remedy
}

// invalid makes a refusal of what cannot be meant; the cause is what %w names.
func invalid(format string, args ...any) error { return refuse(Invalid, format, args...) }

// Refuse makes a refusal; its cause is what %w names.
func Refuse(kind Kind, format string, args ...any) error { return refuse(kind, format, args...) }

func refuse(kind Kind, format string, args ...any) *Refusal {
	err := fmt.Errorf(format, args...)
	return &Refusal{Kind: kind, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Unsupported refuses an option, in the name that the command line has for it.
func Unsupported(option, why, remedy string) error {
	return &Refusal{Kind: NotSupported, Message: "--" + option + " is not supported: " + why, Remedy: remedy}
}

// noPlugin refuses a driver of volumes that is not the one there is.
func noPlugin(name string) error {
	return refuse(NotFound, "error looking up volume plugin %s: plugin %q not found", name, name)
}

// KindOf finds out why something was not done. What no noun has a word for is a
// [Failure].
func KindOf(err error) Kind {
	var refusal *Refusal
	var start *control.StartError
	switch {
	case errors.As(err, &refusal):
		return refusal.Kind
	case errors.As(err, &start) && start.Code > 125: // the program is not there, or is none
		return Invalid
	case Missing(err):
		return NotFound
	case errors.Is(err, oci.ErrInvalidReference), is[*container.AmbiguousError](err), is[*container.InvalidNameError](err):
		return Invalid
	case errors.Is(err, container.ErrNotRunning), is[*container.StateError](err), is[*container.NameTakenError](err), is[*volume.InUseError](err):
		return Conflict
	case is[*network.InUseError](err):
		return Forbidden // Docker says so, where a conflict would be expected
	}
	return nounKind(err)
}

// nounKind finds out what a noun's own refusal is.
func nounKind(err error) Kind {
	var net *network.Refusal
	var remote *oci.RemoteError
	switch {
	case errors.As(err, &net):
		return map[network.Reason]Kind{network.Malformed: Invalid, network.Taken: Conflict, network.Forbidden: Forbidden}[net.Reason]
	case errors.As(err, &remote) && remote.Missing(), is[*oci.NoMatchError](err):
		return NotFound
	case is[*volume.NameError](err), is[*volume.OptionError](err):
		return Invalid
	case is[*image.ConflictError](err):
		return Conflict
	case is[*image.PlatformError](err):
		return NotFound
	}
	return Failure
}

// Missing reports whether what was asked for is not there, of whatever kind it
// is.
func Missing(err error) bool {
	return is[*container.NotFoundError](err) || is[*container.NoSuchExecError](err) || is[*transfer.NotFoundError](err) || is[*oci.NotFoundError](err) ||
		is[*network.NotFoundError](err) || is[*volume.NotFoundError](err)
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
