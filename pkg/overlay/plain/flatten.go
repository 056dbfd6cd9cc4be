// SPDX-License-Identifier: Apache-2.0

package plain

import (
	"context"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// Flatten puts layers, the topmost first, one over the other into the empty
// directory to.
func Flatten(ctx context.Context, layers []string, to string) error {
	for _, l := range slices.Backward(layers) {
		err := onTrees(ctx, l, to, func(c *copier, in, out *dir) error {
			c.share, c.merges = true, true
			return c.merge(in, out)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Apply puts one layer over a tree.
func Apply(ctx context.Context, layer, to string) error {
	return onTrees(ctx, layer, to, func(c *copier, in, out *dir) error {
		c.merges = true
		return c.merge(in, out)
	})
}

// merge puts what is in a directory of a layer over one of a tree.
func (c *copier) merge(from, to *dir) error {
	names, err := from.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		st, err := from.at(n)
		if err != nil {
			return err
		}
		if err := c.over(from, to, n, st); err != nil {
			return err
		}
	}
	return nil
}

// over puts one entry of a layer over what the tree has of that name.
func (c *copier) over(from, to *dir, base string, st *unix.Stat_t) error {
	if IsMark(in(from.fd, base), st.Mode, st.Rdev, st.Size) {
		return to.remove(base)
	}
	was, err := to.at(base)
	if err != nil && !missing(err) {
		return err
	}
	if !isDir(st) {
		if err == nil {
			if err := to.remove(base); err != nil {
				return err
			}
		}
		return c.entry(from, to, base, st, true)
	}
	if err == nil && (!isDir(was) || IsOpaque(in(from.fd, base))) {
		if err := to.remove(base); err != nil {
			return err
		}
		was = nil
	}
	if was == nil || err != nil {
		if err := unix.Mkdirat(to.fd, base, 0o700); err != nil {
			return pathError("mkdir", path.Join(to.name, base), err)
		}
	}
	if err := c.below(from, to, base, c.merge); err != nil {
		return err
	}
	return c.like(from, to, base, st)
}
