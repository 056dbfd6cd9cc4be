// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"coracle/pkg/cli/command"

	"coracle/pkg/overlay"
)

func reindex(e *command.Env) error {
	return e.Inside(func(st *overlay.Store) error { return st.Reindex(context.Background()) })
}
