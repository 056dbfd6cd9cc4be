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
	"sync"

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
	p := &buildProgress{progress: progress{c: c}, quiet: c.flag("q")}
	p.steps.say = p.tell
	var res dockerfile.Result
	err = c.upload(func(ctx context.Context, in *os.File) (err error) {
		ctx, done := c.e.builds.begin(ctx, c.text("buildid"))
		defer done()
		r.Source = in
		res, err = dockerfile.Build(ctx, c.e.Dirs, r, p.event)
		if err != nil && context.Cause(ctx) == errBuildCancelled {
			p.begin()
			return errBuildCancelled
		}
		return err
	})
	var bad *dockerfile.Error
	if errors.As(err, &bad) && !p.begun && p.out == nil { // the Dockerfile, or the archive, is none
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
	p.steps.end(res.Image.ID)
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

// cancelBuild ends a build that has been given an ID by who asked for it. As in Docker,
// one that is not there, or not any more, is no error.
func cancelBuild(c *call) error {
	id := c.text("id")
	if id == "" {
		return invalid("build ID not provided")
	}
	c.e.builds.cancel(id)
	return c.done(http.StatusOK)
}

var errBuildCancelled = errors.New("Build cancelled") //nolint:staticcheck // Docker's words

// running are the builds that can be canceled by their IDs. It is safe for concurrent
// use, and ready when it is zero.
type running struct {
	mu  sync.Mutex
	all map[*context.CancelCauseFunc]string
}

// begin notes a build; one without an ID needs no note. done is to be called when it has
// ended.
func (r *running) begin(ctx context.Context, id string) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if id == "" {
		return ctx, func() { cancel(nil) }
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[*context.CancelCauseFunc]string{}
	}
	r.all[&cancel] = id
	return ctx, func() {
		cancel(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, &cancel)
	}
}

// cancel ends all of an ID.
func (r *running) cancel(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for cancel, of := range r.all {
		if of == id {
			(*cancel)(errBuildCancelled)
		}
	}
}
