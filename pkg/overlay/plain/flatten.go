// SPDX-License-Identifier: Apache-2.0

package plain

import (
	"context"
	"path"

	"golang.org/x/sys/unix"
)

// Flatten puts layers, the topmost first, one over the other into the empty
// directory to.
func Flatten(ctx context.Context, layers []string, to string) error {
	out, err := root(to)
	if err != nil {
		return err
	}
	defer out.close()
	for i := len(layers) - 1; i >= 0; i-- {
		if err := Apply(ctx, layers[i], to); err != nil {
			return err
		}
	}
	return nil
}

// Apply puts one layer over a tree.
func Apply(ctx context.Context, layer, to string) error {
	in, err := root(layer)
	if err != nil {
		return err
	}
	defer in.close()
	out, err := root(to)
	if err != nil {
		return err
	}
	defer out.close()
	c := newCopier(ctx, out)
	if err := c.merge(in, out); err != nil {
		return err
	}
	st, err := in.at(".")
	if err != nil {
		return err
	}
	return c.like(in, out, ".", st)
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
	sub, err := from.child(base)
	if err != nil {
		return err
	}
	defer sub.close()
	out, err := to.child(base)
	if err != nil {
		return err
	}
	defer out.close()
	if err := c.merge(sub, out); err != nil {
		return err
	}
	return c.like(from, to, base, st)
}
