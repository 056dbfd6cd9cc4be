// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"os"
	"sync"

	"coracle/pkg/container/control"
)

// Copies carry output until it ends, or cannot be written any more.
type Copies struct {
	Wait sync.WaitGroup
	Lost chan error // room for the failure of each
}

// Copy begins to carry what is read from one file to another, which errors call
// stream (/dev/stdout). The end of from ends it without an error; from is a pipe,
// or a terminal's master.
func (c *Copies) Copy(to *os.File, stream string, from *os.File) {
	c.Wait.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				if werr := control.WriteOutput(to, stream, buf[:n]); werr != nil {
					c.Lost <- werr
					return
				}
			}
			if err != nil { // EIO is a terminal's end
				return
			}
		}
	})
}
