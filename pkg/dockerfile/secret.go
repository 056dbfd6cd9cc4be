// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"coracle/pkg/dockerfile/exec"
)

// MaxSecret bounds the bytes of a secret, as BuildKit does.
const MaxSecret = 500 << 10

// Secret is what RUN --mount=type=secret shows: Value, or the content of a file,
// which may be a pipe and is read when it is asked for, once.
type Secret struct {
	ID    string
	Value []byte
	Path  string   // absolute; empty without a file
	File  *os.File `json:"-"` // one that the caller has open, and no path leads to
}

// secrets are those of a request, by ID.
func (r *Request) secrets() map[string]exec.Secret {
	all := map[string]exec.Secret{}
	for _, s := range r.Secrets {
		if s.Path == "" && s.File == nil {
			all[s.ID] = func(context.Context) ([]byte, error) { return s.Value, nil }
			continue
		}
		all[s.ID] = once(s.read)
	}
	return all
}

// once reads a secret at the first call. A pipe that nobody writes to is waited
// for as long as the build is not canceled.
func once(read func() ([]byte, error)) exec.Secret {
	type result struct {
		value []byte
		err   error
	}
	var first sync.Once
	done := make(chan result, 1)
	return func(ctx context.Context) ([]byte, error) {
		first.Do(func() {
			go func() {
				value, err := read()
				done <- result{value, err}
			}()
		})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case got := <-done:
			done <- got
			return got.value, got.err
		}
	}
}

func (s Secret) read() ([]byte, error) {
	f := s.File
	if f == nil {
		var err error
		if f, err = os.Open(s.Path); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	value, err := io.ReadAll(io.LimitReader(f, MaxSecret+1))
	if err == nil && len(value) > MaxSecret {
		err = fmt.Errorf("larger than %d bytes", MaxSecret)
	}
	return value, err
}
