// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"coracle/pkg/overlay"
)

func reindex(e *env) error {
	return e.inside(func(st *overlay.Store) error { return st.Reindex(context.Background()) })
}
