// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"errors"
	"fmt"
	"strings"

	"coracle/pkg/cli/command"
	"coracle/pkg/compose"
	"coracle/pkg/container/control"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
)

// ownError is a mistake that docker compose finds by itself, or words of its own for
// one: no engine's prefix stands before it. Its hint is that of what it is made of.
type ownError struct {
	error
	as error
}

func (o *ownError) Unwrap() []error { return []error{o.as, o.error} }

// failed is an error as this group shows it.
func (s *session) failed(err error) error {
	var code *command.ExitError
	var started *control.StartError
	var build *compose.BuildError
	var step *dockerfile.Error
	switch {
	case err == nil || errors.As(err, &code):
		return err
	case errors.As(err, &build) && errors.As(err, &step):
		s.show.close()
		fmt.Fprintf(s.Stderr, "%sfailed to solve: %v\n", step.Excerpt, step)
		return command.Exit(1)
	case errors.As(err, &started), docker.KindOf(err) != docker.Failure && !ours(err):
		return err
	}
	return &ownError{err, command.Errorf("%v", err)}
}

// ours reports whether an error's first words are compose's, not the engine's.
func ours(err error) bool {
	text := err.Error()
	for _, beginning := range []string{"service ", "failed to ", "dependency ", "container ", "no such service"} {
		if strings.HasPrefix(text, beginning) {
			return true
		}
	}
	return false
}
