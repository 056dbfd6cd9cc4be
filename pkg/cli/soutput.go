// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"sync"

	"coracle/pkg/container"
)

// copies carry output until it ends, or cannot be written any more.
type copies struct {
	wait sync.WaitGroup
	lost chan error // room for the failure of each
}

func (c *copies) copy(to *os.File, stream string, from *os.File) {
	c.wait.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				if werr := container.WriteOutput(to, stream, buf[:n]); werr != nil {
					c.lost <- werr
					return
				}
			}
			if err != nil { // EIO is a terminal's end
				return
			}
		}
	})
}
