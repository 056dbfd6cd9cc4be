// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/build"

	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

func buildEndpoints() []endpoint {
	return []endpoint{
		{"POST", "/build", buildImage, ""},
		{"POST", "/build/prune", pruneBuildCache, "1.31"},
		{"POST", "/build/cancel", cancelBuild, "1.39"},
		{"POST", "/grpc", serveBuildKit, "1.38"},
		{"POST", "/session", serveSession, "1.31"},
	}
}

// buildImage builds as the builder did that Docker had before BuildKit: the body is
// the context, an archive, and the answer tells of the build in lines that clients
// take apart.
func buildImage(c *call) error {
	if c.text("session") != "" && c.text("version") == string(build.BuilderBuildKit) {
		return buildBySession(c)
	}
	r, warnings, err := buildRequest(c)
	if err != nil {
		return err
	}
	p := &buildProgress{progress: progress{c: c}, quiet: c.flag("q"), steps: map[int]bool{}}
	var res dockerfile.Result
	err = c.upload(func(ctx context.Context, in *os.File) (err error) {
		r.Source = in
		res, err = dockerfile.Build(ctx, c.e.Dirs, r, p.event)
		return err
	})
	var bad *dockerfile.Error
	if errors.As(err, &bad) && p.out == nil { // the Dockerfile, or the archive, is none
		return &docker.Refusal{Kind: docker.Invalid, Message: bad.Text, Cause: err}
	}
	if err != nil {
		return p.fail(err)
	}
	p.built(res, slices.Concat(warnings, res.Warnings), r.Tags)
	return nil
}

// built tells of an image that is there.
func (p *buildProgress) built(res dockerfile.Result, warnings, tags []string) {
	id := "sha256:" + res.Image.ID
	if p.quiet {
		p.say(message{Stream: id + "\n"})
		return
	}
	for _, w := range warnings {
		p.say(message{Stream: "[Warning] " + w + "\n"})
	}
	about := message{Aux: build.Result{ID: id}}
	if p.c.text("version") == string(build.BuilderBuildKit) {
		about.ID = "moby.image.id"
	}
	p.say(about)
	p.say(message{Stream: fmt.Sprintf("Successfully built %.12s\n", res.Image.ID)})
	for _, t := range tags {
		p.say(message{Stream: "Successfully tagged " + oci.Familiar(t) + "\n"})
	}
}

func pruneBuildCache(c *call) error {
	list, err := docker.FilterTexts(c.text("filters"))
	if err != nil {
		return err
	}
	choose, err := docker.ChooseCache(list)
	if err != nil {
		return err
	}
	var keep int64
	for _, key := range []string{"keep-storage", "reserved-space", "max-used-space", "min-free-space"} {
		v := c.text(key)
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		switch {
		case err != nil:
			return invalid("%s is in bytes and expects an integer, got %v", key, v)
		case n != 0 && (key == "max-used-space" || key == "min-free-space"):
			return docker.Unsupported(key, "what was used last is kept, as much as reserved-space says", "")
		}
		keep = max(keep, n)
	}
	before, err := dockerfile.CacheUse(c.ctx(), c.e.Dirs)
	if err != nil {
		return err
	}
	freed, err := dockerfile.PruneChosen(c.ctx(), c.e.Dirs, choose, keep)
	if err != nil {
		return err
	}
	after, err := dockerfile.CacheUse(c.ctx(), c.e.Dirs)
	if err != nil {
		return err
	}
	report := build.CachePruneReport{SpaceReclaimed: uint64(freed)}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(a dockerfile.CacheRecord) bool { return a.ID == b.ID }) {
			report.CachesDeleted = append(report.CachesDeleted, b.ID)
		}
	}
	return c.answer(http.StatusOK, report)
}

// cancelBuild refuses what is for BuildKit's sessions.
func cancelBuild(*call) error {
	return &docker.Refusal{Kind: docker.NotSupported, Message: "canceling a build by its ID is not supported: a build ends when its client leaves"}
}
