// SPDX-License-Identifier: Apache-2.0

package api

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// createImage pulls an image, or imports one.
func createImage(c *call) error {
	switch source := c.text("fromSrc"); {
	case c.text("fromImage") != "":
		return pullImage(c)
	case source == "-":
		return importImage(c)
	case source != "":
		return &docker.Refusal{Kind: docker.NotSupported, Message: "fromSrc=" + source + " is not supported: nothing is fetched from the web", Remedy: "fetch it, and send it along: fromSrc=-"}
	}
	return invalid("fromImage or fromSrc must be provided")
}

func pullImage(c *call) error {
	// Old clients have a colon behind a name that they want all tags of.
	name := withTag(strings.TrimSuffix(c.text("fromImage"), ":"), c.text("tag"))
	ref, err := oci.ParseRef(name)
	if err != nil {
		return err
	}
	r := image.PullRequest{Name: name, AllTags: !ref.TaggedIn(name) && ref.Digest() == "", Access: c.access()}
	if !c.before("1.32") {
		if r.Platform, err = c.specifier(); err != nil {
			return err
		}
	}
	p := &progress{c: c}
	_, err = c.e.images().Pull(c.ctx(), r, p.event)
	return p.end(err)
}

func importImage(c *call) error {
	r := image.ImportRequest{Name: withTag(c.text("repo"), c.text("tag")), Message: c.text("message")}
	if r.Name != "" { // before the body is taken
		if _, err := oci.ParseRef(r.Name); err != nil {
			return err
		}
	}
	if err := dockerfile.Change(&r.Config, c.form["changes"]); err != nil {
		return invalid("%w", err)
	}
	p := &progress{c: c}
	err := c.upload(func(ctx context.Context, in *os.File) error {
		id, err := c.e.images().Import(ctx, r, in)
		if err == nil {
			p.say(message{Status: "sha256:" + id})
		}
		return err
	})
	if isNoArchive(err) {
		return invalid("%w", err)
	}
	return p.end(err)
}

// isNoArchive reports whether an error says that what was to be unpacked is no archive,
// or a part of one.
func isNoArchive(err error) bool {
	return errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum)
}

func pushImage(c *call) error {
	ref, err := oci.ParseRef(withTag(c.name, c.text("tag")))
	if err != nil {
		return err
	}
	if ref.Digest() != "" {
		return invalid("cannot push a digest reference")
	}
	name := withTag(c.name, c.text("tag"))
	r := image.PushRequest{Name: name, AllTags: !ref.TaggedIn(name), Access: c.access()}
	if r.Platforms, err = c.platform(); err != nil {
		return err
	}
	p := &progress{c: c}
	sent, err := c.e.images().Push(c.ctx(), r, p.event)
	for _, s := range sent {
		_, tag := oci.SplitName(s.Name)
		p.say(message{Detail: &transferred{}, Aux: struct {
			Tag, Digest string
			Size        int64
		}{tag, s.Digest.String(), s.Size}})
	}
	return p.end(err)
}

// loadImages brings the images of an archive here. Layers are told of unless quiet
// says not to. As in Docker, the answer has begun before the archive is looked at.
func loadImages(c *call) error {
	platforms, err := c.platform()
	if err != nil {
		return err
	}
	p, quiet := &progress{c: c}, c.flagOr("quiet", true)
	err = c.upload(func(ctx context.Context, in *os.File) error {
		_, err := c.e.images().Load(ctx, image.LoadRequest{Platform: strings.Join(platforms, "")}, in, func(e oci.Event) {
			switch {
			case e.Layer == "":
				p.say(message{Stream: e.Status + "\n"})
			case !quiet:
				p.event(e)
			}
		})
		return err
	})
	p.begin()
	return p.end(err)
}

// saveImages answers with an archive of the image that the address names, or of
// those that the parameters do.
func saveImages(c *call) error {
	platforms, err := c.platform()
	if err != nil {
		return err
	}
	r := image.SaveRequest{Images: c.form["names"], Platforms: platforms}
	if c.name != "" {
		r.Images = []string{c.name}
	}
	if len(r.Images) == 0 {
		return invalid("no images to save: names must be provided")
	}
	ctx, cancel := context.WithCancel(c.ctx())
	defer cancel()
	return c.download("application/x-tar", nil, func(out *os.File) error { return c.e.images().Save(ctx, r, out) })
}
