// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"sync"

	"coracle/pkg/container"
)

// OnContainers does f for every named container, several at once, and reports
// in the order they were named.
func OnContainers(e *Env, args []string, f func(*container.Store, *container.Container) error) error {
	return OnReadable(e, args, f, func(_ *container.Store, d *container.DamagedError) error { return d })
}

// OnReadable is onContainers with something to do for those that cannot be
// read.
func OnReadable(e *Env, args []string, f func(*container.Store, *container.Container) error, damaged func(*container.Store, *container.DamagedError) error) error {
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	errs := make([]error, len(args))
	gate := make(chan struct{}, 50)
	var wg sync.WaitGroup
	for i, a := range args {
		wg.Add(1)
		go func() {
			defer wg.Done()
			gate <- struct{}{}
			defer func() { <-gate }()
			c, err := cs.Lookup(a)
			var broken *container.DamagedError
			switch {
			case err == nil:
				err = f(cs, c)
			case errors.As(err, &broken):
				err = damaged(cs, broken)
			}
			errs[i] = err
		}()
	}
	wg.Wait()
	next := 0
	return Each(e, args, func(string) error {
		next++
		return errs[next-1]
	})
}
