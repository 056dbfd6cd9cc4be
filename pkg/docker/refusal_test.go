// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"errors"
	"fmt"
	"testing"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/image"
	"coracle/pkg/network"
	"coracle/pkg/oci"
	"coracle/pkg/volume"
	"coracle/pkg/worker"
)

// An answer has the status that Docker's API documents, however far down the
// reason is.
func TestStatusOfRefusals(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("disk full"), 500}, {nil, 500},
		{invalid("no"), 400}, {oci.ErrInvalidReference, 400}, {&container.AmbiguousError{Prefix: "a"}, 400},
		{refuse(Forbidden, "no"), 403}, {&network.InUseError{}, 403},
		{&container.NotFoundError{Arg: "x"}, 404}, {&oci.NotFoundError{Arg: "x"}, 404}, {&network.NotFoundError{Name: "x"}, 404}, {&volume.NotFoundError{Name: "x"}, 404}, {noPlugin("x"), 404},
		{&container.NameTakenError{}, 409}, {&container.StateError{Message: "x"}, 409}, {&volume.InUseError{Name: "x"}, 409}, {&container.InvalidNameError{Name: "x"}, 400}, {&oci.NoMatchError{}, 404}, {&oci.RemoteError{Message: "x", Status: 403}, 404}, {&transfer.NotFoundError{Path: "/x"}, 404}, {&container.NoSuchExecError{ID: "x"}, 404}, {&control.StartError{Message: "x", Code: 127}, 400}, {container.ErrNotRunning, 409},
		{&network.Refusal{Reason: network.Malformed}, 400}, {&network.Refusal{Reason: network.Taken}, 409}, {&network.Refusal{Reason: network.Forbidden}, 403},
		{&volume.NameError{}, 400}, {&volume.OptionError{}, 400}, {&image.ConflictError{}, 409}, {&image.PlatformError{}, 404},
		{refuse(NotModified, "it is so"), 304}, {Unsupported("link", "no", "yes"), 501},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("a: %w", fmt.Errorf("b: %w", err))
		}
		if got := KindOf(err).Status(); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
		if got := KindOf(worker.Crossed(err)).Status(); got != c.want {
			t.Errorf("%v of a worker: %d, want %d", c.err, got, c.want)
		}
	}
}

type withHint struct{ error }

func (withHint) Hint() string { return "do this" }

func TestHintOfRefusals(t *testing.T) {
	cause := withHint{errors.New("x")}
	err := invalid("it cannot be: %w", cause)
	if err.Error() != "it cannot be: x" || !errors.Is(err, cause) {
		t.Error(err)
	}
	for want, err := range map[string]error{"do this": err, "": invalid("x"), "that": Unsupported("a", "b", "that")} {
		var r *Refusal
		if !errors.As(err, &r) || r.Hint() != want {
			t.Errorf("%v: %q, want %q", err, r.Hint(), want)
		}
	}
}
